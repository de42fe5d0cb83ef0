import { assertEquals } from "@std/assert";
import { pooledMap } from "@std/async/pool";
import { join } from "@std/path";
import { bundleShim } from "../../tools/compile/shim.ts";
import { all, type ConformanceRun, type Revision, runConformance } from "./conformance.ts";
import { doorUrl, type Place, shimCommand } from "./era_client.ts";
import { erasDaemon } from "./eras_matrix.ts";
import { tempDir } from "./files.ts";
import { httpBridge } from "./http_bridge.ts";
import { modernBridge } from "./modern_bridge.ts";
import { postModern } from "./raw_modern.ts";

/** Servers of each era, on each transport. */
const UPSTREAMS = ["legacy-stdio", "legacy-http", "modern-stdio", "modern-http"];

/** What the suite's runs may find, and why. */
const ALLOWED: { revision: Revision; door?: "shim"; upstream?: RegExp; fault: RegExp; why: string }[] = [
  {
    revision: "2026-07-28",
    upstream: /^legacy/,
    fault: /^input-required-result-basic-elicitation: .* missing expected key "user_name"$/,
    why: "servers of the legacy era give their questions no names",
  },
  {
    revision: "2026-07-28",
    door: "shim",
    fault: /^http-(custom-)?header-/,
    why: "headers are the bridge's of the test, there are none on stdio",
  },
];

/** A run without what is allowed. */
function judged(
  { scenarios, faults }: ConformanceRun,
  revision: Revision,
  door: "http" | "shim",
  upstream: string,
): ConformanceRun {
  const allowed = ALLOWED.filter((one) =>
    one.revision === revision && (one.door ?? door) === door && (one.upstream ?? /./).test(upstream)
  );
  return { scenarios, faults: faults.filter((line) => !allowed.some(({ fault }) => fault.test(line))) };
}

/**
 * Has the process started that a client with `elicitation` gets of a server of the legacy era: the suite waits 600 ms for
 * the first sign of a call.
 */
async function warm(url: string | URL): Promise<void> {
  await postModern(url, ["tools/call", { name: "test_simple_text" }, { elicitation: {} }]);
}

/** What the suite says of a call whose first sign it has waited for in vain, for 600 ms: on a busy machine it may be late. */
const LATE = /Failed to receive progressive stream chunk/;

/** Has each of `upstreams`, servers of the fixture behind a daemon, tried by the official suite through `door`. */
export async function conforms(
  revision: Revision,
  door: "http" | "shim",
  upstreams: readonly string[] = UPSTREAMS,
): Promise<void> {
  // A server of the legacy era that windows share is told what any of them can do, and some of what it says is nobody's.
  await using it = await erasDaemon([...upstreams], { share: "session" });
  const run = async (url: string | URL) => {
    if (revision === "2026-07-28") await warm(url);
    const found = await runConformance(url, revision);
    return found.faults.some((fault) => LATE.test(fault)) ? await runConformance(url, revision) : found;
  };
  // The suite starts hundreds of windows, which from source would take most of its time.
  await using dir = await tempDir({});
  const program = join(dir.path, "shim.js");
  if (door === "shim") await bundleShim(program);
  const runOn = async (server: string) => {
    const place: Place = { door, http: it.http, home: it.home, server };
    if (door === "http") return await run(doorUrl(place));
    const command = shimCommand(place, program);
    await using bridge = revision === "2025-11-25" ? httpBridge(command) : await modernBridge(command);
    return await run(bridge.url);
  };
  // One of the servers has two clients at once. Of the modern era all that one principal sends is one client's.
  const isTwice = door === "http" && revision === "2025-11-25";
  const servers = isTwice ? ["legacy-stdio", ...upstreams] : upstreams;
  // More at once take no less time, and the suite's limits are short.
  const results: ConformanceRun[] = await Array.fromAsync(pooledMap(2, servers, runOn));
  const found = servers.map((server, i) => [server, judged(results[i]!, revision, door, server)]);
  assertEquals(found, servers.map((server) => [server, all(revision)]));
}
