import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { planJson, planText } from "../lib/commands/adopt_report.ts";
import { redactSecrets } from "../lib/observe/redaction.ts";
import { TestUser } from "./helpers/adoption.ts";

const CURSOR = "{home}/.cursor/mcp.json";

Deno.test("the plan of an adoption names what is started, and no value of a flag", async () => {
  await using user = await TestUser.create();
  const entries = {
    a: { command: "node", args: ["--api-key", "zzz12345678", "a.js"] },
    b: { command: "npx", args: ["-y", "@scope/b", "--token", "zzz12345678"] },
    c: { command: "my-mcp", args: ["-k", "zzz12345678"] },
  };
  await user.write(CURSOR, JSON.stringify({ mcpServers: entries }));
  const prepared = await user.prepare();
  const text = planText(prepared) + JSON.stringify(planJson(prepared));
  for (const shown of ["+ a: node\n", "+ b: npx @scope/b\n", "+ c: my-mcp\n"]) {
    assertStringIncludes(text, shown);
  }
  assert(!text.includes("zzz12345678"), text);
});

Deno.test("the value of a flag for a secret is one, a count is none", () => {
  assertEquals(redactSecrets("node a.js --api-key zzz123 -x"), "node a.js --api-key [secret] -x");
  assertEquals(redactSecrets('x --github-token "zzzz123"'), 'x --github-token "[secret]"');
  for (const text of ["x --max-tokens 4096", "x --token --verbose", "a secret that is told"]) {
    assertEquals(redactSecrets(text), text);
  }
});
