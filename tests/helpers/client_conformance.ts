import { fromFileUrl } from "@std/path";
import { filesBelow } from "./files_below.ts";
import type { JsonObject } from "../../lib/base/json.ts";

const SUITE = "npm:@modelcontextprotocol/conformance@0.2.0-alpha.12";
const config = fromFileUrl(new URL("../../deno.json", import.meta.url));
const driver = fromFileUrl(new URL("../fixtures/suite_client.ts", import.meta.url));

/** How a scenario of the official suite ended. */
export interface ClientConformanceRun {
  /** How many of its checks succeeded. */
  passed: number;
  /** Those that failed, and what should have been done, as `check: why`. */
  faults: string[];
}

/**
 * Runs a scenario for clients with the daemon in the client's place.
 *
 * @param revision of MCP; undefined for scenarios of an extension
 */
export async function runClientConformance(
  scenario: string,
  revision?: string,
): Promise<ClientConformanceRun> {
  const dir = await Deno.makeTempDir({ prefix: "exai-conformance-" });
  try {
    const command = `${Deno.execPath()} run -A --no-check --config ${config} ${driver}`;
    const args = [
      "--scenario",
      scenario,
      ...(revision === undefined ? [] : ["--spec-version", revision]),
      "--output-dir",
      dir,
      "--command",
      command,
    ];
    // Not in the project: the suite's packages are none of its dependencies.
    const suite = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", SUITE, "client", ...args],
      cwd: dir,
      stdout: "piped",
      stderr: "piped",
    });
    const { code, stdout, stderr } = await suite.output();
    const run = await readChecks(dir);
    const said = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("");
    if (code !== 0 && run.faults.length === 0) run.faults.push(said);
    return run;
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

async function readChecks(dir: string): Promise<ClientConformanceRun> {
  const run: ClientConformanceRun = { passed: 0, faults: [] };
  for await (const path of filesBelow(dir)) {
    if (!path.endsWith("checks.json")) continue;
    const checks: JsonObject[] = JSON.parse(await Deno.readTextFile(path));
    for (const { name, status, errorMessage } of checks) {
      if (status === "SUCCESS") run.passed++;
      // Skipped is what the revision does not have, such as headers of `initialize`.
      if (status === "FAILURE" || status === "WARNING") run.faults.push(`${name}: ${errorMessage}`);
    }
  }
  return run;
}
