import { testDaemon } from "./daemon.ts";
import { fromFileUrl } from "@std/path";
import type { JsonObject } from "../../lib/base/json.ts";
import type { Command } from "./http_bridge.ts";

const SUITE = "npm:@modelcontextprotocol/conformance@0.2.0-alpha.12";
const REVISION = "2025-11-25";
const fixture = fromFileUrl(new URL("../fixtures/conformance_server.ts", import.meta.url));

/** The scenarios revision 2025-11-25 requires of a server, and those the suite runs beside them without a score. */
export const REQUIRED = 30;
export const UNSCORED = 3;

/** How to run the server the suite's scenarios are written for. */
export function conformanceServer(env: Record<string, string> = {}): Command {
  return { command: Deno.execPath(), args: ["run", "-A", "--no-check", fixture], env };
}

export interface ConformanceRun {
  /** Scenarios that ran. */
  scenarios: number;
  /** Checks that neither succeeded nor only inform, as `scenario: check: why`. */
  faults: string[];
}

/** Runs the official conformance suite against the MCP server at `url`. */
export async function runConformance(url: string): Promise<ConformanceRun> {
  const dir = await Deno.makeTempDir({ prefix: "exai-conformance-" });
  try {
    const args = [
      "run",
      "-A",
      SUITE,
      "server",
      "--url",
      url,
      "--requirements",
      REVISION,
      "--output-dir",
      dir,
    ];
    // Not in the project: the suite's packages are none of its dependencies.
    const command = new Deno.Command(Deno.execPath(), { args, cwd: dir, stdout: "piped", stderr: "piped" });
    const { code, stdout, stderr } = await command.output();
    const results = await readResults(dir);
    if (code !== 0 && results.faults.length === 0) results.faults.push(said(stdout) + said(stderr));
    return results;
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

async function readResults(dir: string): Promise<ConformanceRun> {
  const run: ConformanceRun = { scenarios: 0, faults: [] };
  for await (const { name, isDirectory } of Deno.readDir(dir)) {
    if (!isDirectory) continue;
    run.scenarios++;
    const scenario = name.replace(/^server-/, "").replace(/-\d{4}-\d\d-\d\dT.*$/, "");
    const checks: JsonObject[] = JSON.parse(await Deno.readTextFile(`${dir}/${name}/checks.json`));
    for (const { id, status, errorMessage } of checks) {
      if (status !== "SUCCESS" && status !== "INFO") run.faults.push(`${scenario}: ${id}: ${errorMessage}`);
    }
  }
  return run;
}

function said(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/**
 * What one client of the suite may miss on a process that it shares: it comes within two seconds after another, so a log
 * line that names no call, and the first question of a server that is not yet known to ask, are nobody's.
 */
export const NOBODYS =
  /^(tools-call-with-logging: .*No log notifications received|(tools-call-(sampling|elicitation)|elicitation-sep\d+-[a-z]+): .*Server did not request )/;

export const ALL = { scenarios: REQUIRED + UNSCORED, faults: [] };

/** A daemon with the suite's server mounted. */
export async function mountedDaemon(share: "session" | "project" | "machine") {
  const home = await Deno.makeTempDir({ prefix: "exai-conformance-" });
  const conformance = { ...conformanceServer(), share };
  await Deno.writeTextFile(`${home}/mcp.json`, JSON.stringify({ mcpServers: { conformance } }));
  const it = await testDaemon({ settings: { home } });
  return {
    ...it,
    async [Symbol.asyncDispose]() {
      await it[Symbol.asyncDispose]();
      await Deno.remove(home, { recursive: true });
    },
  };
}
