/** What a browser loads into a page of its own; only browsers say so. */
const NESTED = ["iframe", "frame", "embed", "object", "fencedframe"];

/**
 * Whether a browser says that the request was made by a page that is not ours (Fetch Metadata, `Sec-Fetch-*`). That
 * holds where there is no `Origin`: for images, scripts, frames, links and plain GETs. Pages cannot set these headers,
 * and no program but a browser sends `Sec-Fetch-Site`.
 *
 * @param isAllowedOrigin whether the request carries an `Origin` from the list, whose pages may send it across sites
 */
export function isCrossSiteRequest(request: Request, isAllowedOrigin: boolean): boolean {
  const site = request.headers.get("sec-fetch-site");
  const destination = request.headers.get("sec-fetch-dest");
  if (site === null) {
    // Node.js sends the mode and nothing else. A destination comes from a browser, and something kept the site back.
    return destination !== null && destination !== "empty" && !isAllowedOrigin;
  }
  const mode = request.headers.get("sec-fetch-mode");
  switch (site) {
    case "same-origin":
      return false;
    case "none":
      // An address somebody typed, a bookmark, a program built on a browser: no page made it. A page can have its
      // visitor follow a link, which is a cross-site request, but it cannot have one typed.
      return mode === "navigate" && (!isSafe(request) || NESTED.includes(destination ?? ""));
    default:
      // same-site, cross-site, and what no browser says.
      return !isAllowedOrigin || mode === "navigate";
  }
}

function isSafe({ method }: Request): boolean {
  return method === "GET" || method === "HEAD";
}

/** Has browsers keep an answer from pages of others: as image, script or frame, and from guessing what it is. */
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
