import { fromFileUrl } from "@std/path";
import type { JsonObject } from "../../lib/base/json.ts";
import { mountingDaemon } from "./mounts.ts";
import type { Command } from "./http_bridge.ts";

const SUITE = "npm:@modelcontextprotocol/conformance@0.2.0-alpha.12";
const fixture = fromFileUrl(new URL("../fixtures/eras_server.ts", import.meta.url));

export type Revision = "2025-11-25" | "2026-07-28";

/**
 * How many scenarios a revision requires of a server, with those of no score: 30 and 3, 37 and 3. Those of the tasks
 * extension, which no revision requires, are not counted.
 */
const SCENARIOS: Record<Revision, number> = { "2025-11-25": 33, "2026-07-28": 40 };

/** How to run the server the suite's scenarios are written for, in one era. */
export function conformanceServer(era: "legacy" | "modern" = "legacy"): Command {
  return { command: Deno.execPath(), args: ["run", "-A", "--no-check", fixture, "--era", era] };
}

export interface ConformanceRun {
  /** Scenarios that ran. */
  scenarios: number;
  /** Checks that neither succeeded nor only inform, as `scenario: check: why`. */
  faults: string[];
}

/** A run without a fault. */
export const all = (revision: Revision): ConformanceRun => ({ scenarios: SCENARIOS[revision], faults: [] });

export const ALL = all("2025-11-25");

/** Runs the official conformance suite against the MCP server at `url`. */
export async function runConformance(
  url: string | URL,
  revision: Revision = "2025-11-25",
): Promise<ConformanceRun> {
  const dir = await Deno.makeTempDir({ prefix: "exai-conformance-" });
  try {
    const asked = ["--url", String(url), "--requirements", revision, "--output-dir", dir];
    const args = ["run", "-A", SUITE, "server", ...asked];
    // Not in the project: the suite's packages are none of its dependencies.
    const command = new Deno.Command(Deno.execPath(), { args, cwd: dir, stdout: "piped", stderr: "piped" });
    const { code, stdout, stderr } = await command.output();
    const results = await readResults(dir);
    if (code !== 0 && results.scenarios === 0) results.faults.push(said(stdout) + said(stderr));
    return results;
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

async function readResults(dir: string): Promise<ConformanceRun> {
  const run: ConformanceRun = { scenarios: 0, faults: [] };
  for await (const { name, isDirectory } of Deno.readDir(dir)) {
    const scenario = name.replace(/^server-/, "").replace(/-\d{4}-\d\d-\d\dT.*$/, "");
    if (!isDirectory || scenario.startsWith("tasks-")) continue;
    run.scenarios++;
    const checks: JsonObject[] = JSON.parse(await Deno.readTextFile(`${dir}/${name}/checks.json`));
    for (const { id, status, errorMessage } of checks) {
      if (status !== "SUCCESS" && status !== "INFO") run.faults.push(`${scenario}: ${id}: ${errorMessage}`);
    }
  }
  run.faults.sort();
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

/** A daemon with the suite's server mounted as `conformance`. */
export function mountedDaemon(share: "session" | "project" | "machine") {
  return mountingDaemon({ conformance: { ...conformanceServer(), share } });
}
