import { Image } from "@mantine/core";
import { createContext, type ReactNode, useContext } from "react";
import { graphql, type ResultOf } from "../api/graphql";
import { useData } from "../api/useData";

const BRAND = graphql(`
  query Brand {
    brand {
      name
      logo
    }
  }
`);

const UNKNOWN = { name: "", logo: null };
const Brand = createContext<ResultOf<typeof BRAND>["brand"]>(UNKNOWN);

export function BrandProvider({ children }: { children: ReactNode }) {
  const { data } = useData(BRAND, {});
  return <Brand value={data?.brand ?? UNKNOWN}>{children}</Brand>;
}

/** The name under which this installation sells. Empty until it is known. */
export function useBrand(): string {
  return useContext(Brand).name;
}

/** The operator's logo, if there is one. The name of the brand is beside it. */
export function BrandLogo({ height }: { height: number }) {
  const { logo } = useContext(Brand);
  return logo && <Image src={logo} alt="" h={height} w="auto" maw={3 * height} fit="contain" />;
}
