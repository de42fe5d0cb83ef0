import { assert, assertEquals } from "@std/assert";
import { countTokens } from "gpt-tokenizer/encoding/o200k_base";
import { estimateTokens } from "../lib/provider/token_estimate.ts";

const source = await Deno.readTextFile(new URL("../lib/provider/token_estimate.ts", import.meta.url));

Deno.test("the estimate is the tokenizer's own count, within a percent", async () => {
  for (
    const text of [
      source.repeat(20),
      "Каждое окно запускает свою копию. ".repeat(300),
      "联网搜索功能。".repeat(500),
    ]
  ) {
    const exact = countTokens(text);
    const estimate = await estimateTokens(text);
    assert(Math.abs(estimate - exact) <= exact / 100, `${estimate} for ${exact}`);
  }
});

Deno.test("short and odd texts are counted", async () => {
  assertEquals(await estimateTokens(""), 0);
  assertEquals(await estimateTokens("hello world"), 2);
  assert(await estimateTokens("<|endoftext|>") > 1, "the name of a control token is text like any other");
  assert(await estimateTokens("😀".repeat(1000)) > 500);
});

Deno.test("a text without a break does not stop the daemon", async () => {
  let turns = 0;
  const timer = setInterval(() => turns++);
  const tokens = await estimateTokens("ab".repeat(100_000));
  clearInterval(timer);
  assert(tokens > 10_000);
  assert(turns > 0, "others had their turn");
});
