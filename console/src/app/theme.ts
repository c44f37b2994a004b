import {
  Alert,
  Anchor,
  Badge,
  createTheme,
  darken,
  type CSSVariablesResolver,
  FileInput,
  lighten,
  luminance,
  type MantineColorsTuple,
  Modal,
  NavLink,
  Notification,
  NumberInput,
} from "@mantine/core";

export const theme = createTheme({
  primaryColor: "brand",
  colors: { brand: shadesOf(brandColor()) },
  // Light enough on dark and dark enough on light for text of normal size (WCAG AA).
  primaryShade: { light: 8, dark: 7 },
  defaultRadius: "md",
  autoContrast: true,
  respectReducedMotion: true,
  fontFamily: "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif",
  headings: { fontWeight: "650" },
  components: {
    // A link within a sentence must differ from it by more than its colour.
    Anchor: Anchor.extend({ defaultProps: { underline: "always" } }),
    // The buttons of these have only an icon. The title of a dialog is not the banner of the page.
    Modal: Modal.extend({
      defaultProps: {
        closeButtonProps: { "aria-label": "Close" },
        attributes: { header: { role: "presentation" } },
      },
    }),
    FileInput: FileInput.extend({ defaultProps: { clearButtonProps: { "aria-label": "Remove the file" } } }),
    Notification: Notification.extend({
      defaultProps: { closeButtonProps: { "aria-label": "Close" } },
      styles: { description: { color: "var(--mantine-color-dimmed)" } },
    }),
    // All are whole. Mantine would leave out what it does not allow: of "1.50" it would make 150.
    NumberInput: NumberInput.extend({ defaultProps: { pattern: "[0-9,]*([.]0*)?", title: "A whole number" } }),
    // Words as they are written: capitals are harder to read.
    Badge: Badge.extend({ styles: { root: { textTransform: "none", minWidth: "max-content" } } }),
    NavLink: NavLink.extend({ styles: { description: { opacity: 1 } } }),
    // The colours of borders and icons are too light for text.
    Alert: Alert.extend({ styles: { title: { color: "var(--mantine-color-text)" } } }),
  },
});

/** Secondary text that can still be read: Mantine's own grey has too little contrast. */
export const cssVariables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    "--mantine-color-dimmed": "#5b6470",
    "--mantine-color-placeholder": "#68717c",
    "--mantine-color-error": "#c92a2a",
    "--mantine-color-body": "#ffffff",
    // Behind the chosen entry of a list, which contains secondary text.
    "--mantine-color-brand-light": "var(--mantine-color-brand-0)",
    "--mantine-color-brand-light-hover": "var(--mantine-color-brand-1)",
  },
  dark: {
    "--mantine-color-dimmed": "#a6adb7",
    "--mantine-color-placeholder": "#8d95a0",
    "--mantine-color-error": "#ff8787",
  },
});

/** The value that lets the theme's style element through the content security policy. */
export function styleNonce(): string {
  return document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? "";
}

/** The colour of the brand as `#rrggbb`, which the server writes into the page. */
function brandColor(): string {
  const color = document.querySelector<HTMLMetaElement>('meta[name="theme-color"]')?.content ?? "";
  // The server of developers does not replace it.
  return color.startsWith("#") ? color : "#3b5bdb";
}

/** Shades of a colour that can be read, whatever it is. Those of links and buttons are darker than
 *  the colour if white would have too little contrast with it. */
function shadesOf(color: string): MantineColorsTuple {
  let onLight = color;
  while (luminance(onLight) > 0.135) onLight = darken(onLight, 0.03);
  let onDark = onLight;
  while (luminance(onDark) < 0.155) onDark = lighten(onDark, 0.02);
  const tints = [0.94, 0.9, 0.8, 0.7, 0.6, 0.45, 0.25].map((share) => lighten(onLight, share));
  return [...tints, onDark, onLight, darken(onLight, 0.15)] as unknown as MantineColorsTuple;
}
