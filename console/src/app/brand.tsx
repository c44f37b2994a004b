import { createContext, type ReactNode, useContext } from "react";
import { graphql } from "../api/graphql";
import { useData } from "../api/useData";

const BRAND = graphql(`
  query Brand {
    brand {
      name
    }
  }
`);

const BrandName = createContext("");

export function BrandProvider({ children }: { children: ReactNode }) {
  const { data } = useData(BRAND, {});
  return <BrandName value={data?.brand.name ?? ""}>{children}</BrandName>;
}

/** The name under which this installation sells. Empty until it is known. */
export function useBrand(): string {
  return useContext(BrandName);
}
