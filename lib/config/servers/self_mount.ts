import { trimEndOf } from "../../base/text.ts";
import type { StdioServerConfig } from "../server_config.ts";
import { ownProgram, type Places } from "./own_programs.ts";

interface CheckContext {
  expander: { places: Places };
  /** Where this daemon listens; undefined when that is not known. */
  ownPort?: number;
  fault(path: PropertyKey[], message: string): void;
}

/** Reports a server whose command starts EXAI itself, or a bridge to this daemon. */
export function checkCommand(config: StdioServerConfig, context: CheckContext): void {
  const own = ownProgram([config.command, ...config.args], context.expander.places);
  if (own !== undefined) context.fault(["command"], wouldMountItself(`starts ${own}`));
  checkBridges(config, context);
}

/** Reports a server at the address of this daemon. */
export function checkUrl(url: string, { ownPort, fault }: CheckContext): void {
  if (isOwnAddress(url, ownPort)) fault(["url"], wouldMountItself("is the address of this daemon"));
}

/** Where MCP is spoken at a daemon: at `/mcp` over HTTP, at any path over WebSocket. */
const MCP_URL = /\bhttps?:\/\/[^\s"'<>/?#]+\/mcp\b[^\s"'<>]*|\bwss?:\/\/[^\s"'<>]+/gi;

/** Reports a bridge to this daemon, such as `npx mcp-remote http://127.0.0.1:8765/mcp`. */
function checkBridges({ args, env }: StdioServerConfig, { ownPort, fault }: CheckContext): void {
  const told: [PropertyKey[], string | null][] = [
    ...args.map((arg, i): [PropertyKey[], string] => [["args", i], arg]),
    ...Object.entries(env).map(([name, value]): [PropertyKey[], string | null] => [["env", name], value]),
  ];
  for (const [path, text] of told) {
    const urls = text?.match(MCP_URL) ?? [];
    if (urls.some((url) => isOwnAddress(url.replace(/^ws/i, "http"), ownPort))) {
      fault(path, wouldMountItself("names the address of this daemon"));
    }
  }
}

function wouldMountItself(what: string): string {
  return `${what}: EXAI would mount itself and show every tool twice; take this entry out here. exai-shim belongs ` +
    "into the configuration of an editor, and the servers of that editor into this file";
}

/** Whether `url` leads to the port `own` of this machine. */
function isOwnAddress(url: string, own: number | undefined): boolean {
  const { hostname = "", port = "", protocol } = URL.parse(url) ?? {};
  if (own === undefined || Number(port || (protocol === "https:" ? 443 : 80)) !== own) return false;
  const host = trimEndOf(hostname.toLowerCase(), ".");
  return /^(?:(?:.*\.)?localhost|127\.[\d.]+|0\.0\.0\.0|\[::1?\]|\[::ffff:7f.*\])$/.test(host) ||
    host === Deno.hostname().toLowerCase();
}
