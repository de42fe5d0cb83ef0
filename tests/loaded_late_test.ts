import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { reachable } from "./helpers/layering.ts";
import { readSources } from "./helpers/source.ts";

const root = fromFileUrl(new URL("..", import.meta.url));

/** Packages of SDK v2, and those for logins and the vault: few windows and daemons need them. */
const LOADED_LATE = /^(@modelcontextprotocol\/(client|server|core)|jose|oauth4webapi)\b/;

/** Both the programs and what they are made of. */
const PRODUCT = ["daemon.ts", "shim.ts", "lib"];

Deno.test("neither program loads SDK v2 or what logins need at its start, which would cost memory and time", async () => {
  const product = await readSources(root, PRODUCT);
  const loading = product.filter(({ loads }) => loads.some((name) => LOADED_LATE.test(name)));
  assertEquals(loading.map(({ path }) => path), []);
});

Deno.test("the daemon loads what sends traces only where they are sent", async () => {
  const product = await readSources(root, PRODUCT);
  const loads = product.map((source) => ({ ...source, imports: source.loads }));
  const loaded = reachable(loads, "daemon.ts");
  assertEquals(loaded.filter((name) => /opentelemetry|otel/.test(name)), []);
  assert(loaded.includes("lib/tracing/tracing.ts"));
});
