import { SETTINGS, type Settings } from "../config/settings.ts";

/** The URL of a daemon on a fixed port. A daemon that listens on all addresses is reached on loopback. */
export function urlOf({ host, port, tlsCa }: Pick<Settings, "host" | "port" | "tlsCa">): string {
  // `localhost` may resolve to several addresses, one of which another program may hold; daemons listen on this one.
  const isV4 = host === "" || host === "0.0.0.0" || host === "::" || host.toLowerCase() === "localhost";
  const name = isV4 ? "127.0.0.1" : host;
  return `${tlsCa ? "wss" : "ws"}://${name.includes(":") ? `[${name}]` : name}:${port}/`;
}

/** Whether `host` means this machine, so that a daemon there can be started. */
export function isLocal(host: string): boolean {
  return ["", "0.0.0.0", "::"].includes(host) || isLoopbackHost(host);
}

/**
 * Whether a daemon may listen on another port than that of the settings, because they name none: another program has
 * the default one.
 */
export function mayUseAnotherPort({ host, port }: Pick<Settings, "host" | "port">): boolean {
  return String(port) === SETTINGS.port.fallback && isLoopbackHost(host);
}

/** The host of a URL, an IPv6 address without brackets. */
export function hostOf({ hostname }: URL): string {
  return hostname.replaceAll(/[[\]]/g, "");
}

/**
 * Whether `host` is a loopback address or `localhost`.
 *
 * @example
 * ```ts
 * import { isLoopbackHost } from "./daemon_url.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const hosts = ["::1", "LocalHost", "127.8.9.1", "0.0.0.0", "127.example.com"];
 * assertEquals(hosts.map(isLoopbackHost), [true, true, true, false, false]);
 * ```
 */
export function isLoopbackHost(host: string): boolean {
  return host === "::1" || host.toLowerCase() === "localhost" || /^127\.[\d.]+$/.test(host);
}
