// The editor adds style elements while it runs. They get the page's nonce, so that the content
// security policy needs no exception for them.
import { styleNonce } from "../../app/theme";

const create = Document.prototype.createElement;

document.createElement = function createElement(this: Document, ...given: Parameters<typeof create>) {
  const element = create.apply(this, given);
  if (element instanceof HTMLStyleElement) element.nonce = styleNonce();
  return element;
} as typeof document.createElement;
