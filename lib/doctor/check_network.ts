import { SECOND_MS } from "../base/units.ts";
import { deadline } from "@std/async/deadline";
import { ownEntry } from "../base/json.ts";
import { messageOf } from "../base/errors.ts";
import { fault, type Finding, warning } from "./finding.ts";
import type { Installation } from "./installation.ts";

const TIMEOUT_MS = 3 * SECOND_MS;
const VARIABLE = /^(?:https?|all)_proxy$/i;
const SCHEMES = ["http:", "https:", "socks4:", "socks4a:", "socks5:", "socks5h:"];
const DEFAULT_PORTS: Readonly<Record<string, number>> = { "http:": 80, "https:": 443 };
const SOCKS_PORT = 1080;
const LOOPBACK = ["localhost", "127.0.0.1"];

/** A proxy as a variable names it. */
interface NamedProxy {
  variable: string;
  /** Without the password that may be in it. */
  shown: string;
  url: URL | undefined;
}

/** Proxies in the environment: whether they can be reached, and whether they stand between programs and the daemon. */
export async function checkProxies({ env, isQuick, settings }: Installation): Promise<Finding[]> {
  const proxies = namedProxies(env);
  if (proxies.length === 0) return [];
  const malformed = proxies.filter(({ url }) => url === undefined).map(({ variable, shown }) =>
    fault(
      "proxy-malformed",
      `${variable} is ${shown}, which is no URL of a proxy`,
      "write it as http://HOST:PORT, or take the variable out of the environment",
    )
  );
  const found = [...malformed, ...bypassFindings(proxies, { env, port: settings.port })];
  if (isQuick) return found;
  const unreachable = await Promise.all(proxies.map(reach));
  return [...found, ...unreachable.flat()];
}

/** The distinct proxies that `env` names. */
export function namedProxies(env: Readonly<Record<string, string>>): NamedProxy[] {
  const proxies = Object.entries(env).filter(([name, value]) => VARIABLE.test(name) && value !== "")
    .map(([variable, value]) => {
      const url = URL.parse(value.includes("://") ? value : `http://${value}`);
      const isProxy = url !== null && SCHEMES.includes(url.protocol) && url.hostname !== "";
      return { variable, shown: JSON.stringify(withoutPassword(value)), url: isProxy ? url : undefined };
    });
  return proxies.filter(({ shown }, i) => proxies.findIndex((other) => other.shown === shown) === i);
}

function withoutPassword(value: string): string {
  const at = value.lastIndexOf("@");
  if (at < 0) return value;
  const scheme = value.indexOf("://");
  return `${scheme < 0 ? "" : value.slice(0, scheme + 3)}...${value.slice(at)}`;
}

/** EXAI's own programs go past a proxy to this machine; a client that has the daemon's URL may not. */
function bypassFindings(
  [first]: readonly NamedProxy[],
  { env, port }: { env: Readonly<Record<string, string>>; port: number },
): Finding[] {
  const direct = (env.NO_PROXY ?? env.no_proxy ?? "").split(/[\s,]+/);
  if (direct.includes("*") || LOOPBACK.every((host) => direct.includes(host))) return [];
  return [warning(
    "proxy-in-the-way",
    `${first!.variable} sends programs through a proxy, also to this machine: a client that has the URL ` +
      `http://127.0.0.1:${port || "PORT"}/mcp may not reach the daemon, nor a server its own helpers`,
    `set NO_PROXY=${[...new Set([...direct.filter((host) => host !== ""), ...LOOPBACK, "::1"])].join(",")}`,
  )];
}

async function reach({ variable, shown, url }: NamedProxy): Promise<Finding[]> {
  if (!url) return [];
  const port = Number(url.port) || (ownEntry(DEFAULT_PORTS, url.protocol) ?? SOCKS_PORT);
  const hostname = url.hostname.replaceAll(/[[\]]/g, "");
  const dialed = Deno.connect({ hostname, port });
  try {
    (await deadline(dialed, TIMEOUT_MS)).close();
    return [];
  } catch (thrown) {
    dialed.then((connection) => connection.close(), () => {});
    return [fault(
      "proxy-unreachable",
      `${variable} names the proxy ${shown}, which cannot be reached (${
        messageOf(thrown)
      }): servers behind URLs, ` +
        "models, npx and uvx fail",
      "start the proxy, correct the variable, or take it out of the environment",
    )];
  }
}
