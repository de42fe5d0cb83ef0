/** Values of Sec-Fetch-Dest for documents that are embedded in a page. */
const NESTED = ["iframe", "frame", "embed", "object", "fencedframe"];

/**
 * Whether the request was made by a page of another site, by its Fetch Metadata headers (`Sec-Fetch-*`). They cover
 * requests without an `Origin`: images, scripts, frames, links and plain GETs. Pages cannot set them, and only browsers
 * send `Sec-Fetch-Site`.
 *
 * @param isAllowedOrigin whether the request has an `Origin` on the allow list, whose pages may send it across sites
 */
export function isCrossSiteRequest(request: Request, isAllowedOrigin: boolean): boolean {
  const site = request.headers.get("sec-fetch-site");
  const destination = request.headers.get("sec-fetch-dest");
  if (site === null) {
    // Node.js sends only the mode. A destination comes from a browser; a proxy removed the site.
    return destination !== null && destination !== "empty" && !isAllowedOrigin;
  }
  const mode = request.headers.get("sec-fetch-mode");
  switch (site) {
    case "same-origin":
      return false;
    case "none":
      // A typed address, a bookmark, or a program built on a browser. A page cannot cause such a request: a link is
      // a cross-site request.
      return mode === "navigate" && (!isSafe(request) || NESTED.includes(destination ?? ""));
    default:
      // same-site, cross-site, and unknown values.
      return !isAllowedOrigin || mode === "navigate";
  }
}

/** Whether a browser opens what is asked for as a page of its own, in a tab or a window. */
export function isOpenedPage(request: Request): boolean {
  const { headers } = request;
  return isSafe(request) && headers.get("sec-fetch-mode") === "navigate" &&
    headers.get("sec-fetch-dest") === "document";
}

function isSafe({ method }: Request): boolean {
  return method === "GET" || method === "HEAD";
}

/** Sets the headers that stop pages of other origins from embedding `response`, and browsers from sniffing its type. */
export function setSecurityHeaders(response: Response): Response {
  const { headers } = response;
  headers.set("x-content-type-options", "nosniff");
  headers.set("cross-origin-resource-policy", "same-origin");
  headers.set("x-frame-options", "DENY");
  if (!headers.has("content-security-policy")) {
    headers.set("content-security-policy", "default-src 'none'; frame-ancestors 'none'");
  }
  return response;
}
