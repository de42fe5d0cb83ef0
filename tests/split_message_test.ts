import { assertEquals } from "@std/assert";
import { MultilineMessage } from "../lib/process/multiline_message.ts";

Deno.test("a lone brace before a message of many lines costs it nothing", () => {
  const given: string[] = [];
  const split = new MultilineMessage({ maxChars: 1000, onGiveUp: (text) => void given.push(text) });
  const lines = ["{\n", "{\n", '  "a": [\n', "    {\n", "    }\n", "  ]\n"];
  assertEquals(lines.map((line) => split.take(line)), lines.map(() => "taken" as const));
  assertEquals([split.take("}\n"), given], [{ text: lines.slice(1).join("") + "}\n" }, ["{\n"]]);
});
