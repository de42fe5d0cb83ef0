/** The host of a URL, an address of IPv6 without its brackets. */
export function hostOf({ hostname }: URL): string {
  return hostname.replaceAll(/[[\]]/g, "");
}

/** Whether `host` is this machine as seen from itself. */
export function isLoopback(host: string): boolean {
  return host === "::1" || host.toLowerCase() === "localhost" || /^127\.[\d.]+$/.test(host);
}
