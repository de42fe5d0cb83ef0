import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { readSources } from "./helpers/source.ts";

const root = fromFileUrl(new URL("..", import.meta.url));

/** Packages of SDK v2, which the tests' peers are made of. */
const LATER_SDK = /^@modelcontextprotocol\/(client|server|core)\b/;

/** Both the programs and what they are made of. */
const PRODUCT = ["daemon.ts", "shim.ts", "lib"];

Deno.test("neither program loads SDK v2 at its start, which would cost a window memory and time", async () => {
  const product = await readSources(root, PRODUCT);
  const loading = product.filter(({ loads }) => loads.some((name) => LATER_SDK.test(name)));
  assertEquals(loading.map(({ path }) => path), []);
});
