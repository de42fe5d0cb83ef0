import { assert, assertEquals } from "@std/assert";
import { bundledPackages } from "../../tools/release/bundled_packages.ts";

Deno.test("each package that is in the programs is known, with its licence, its text and its checksum", async () => {
  const packages = await bundledPackages();
  const names = packages.map(({ name }) => name);
  for (const name of ["@modelcontextprotocol/sdk", "zod", "ws", "openai", "jsonc-parser"]) {
    assert(names.includes(name), `${name} is not among ${names.join(", ")}`);
  }
  // Installed with the SDK, and in none of the programs.
  assertEquals(names.includes("express"), false);
  for (const { name, licence, integrity } of packages) {
    assert(licence && integrity, `${name}: ${licence}, ${integrity}`);
  }
  // The modules of Deno's standard library as npm has them; the licence is that of Deno.
  assertEquals(packages.filter(({ licenceText }) => licenceText === undefined).map(({ name }) => name), [
    "deno-std",
  ]);
});
