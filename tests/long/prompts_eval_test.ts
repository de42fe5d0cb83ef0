import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { readPlanted } from "../../tools/prompts_eval/planted.ts";
import type { EvalReport } from "../../tools/prompts_eval/report.ts";
import { OpenAiServer, say } from "../fixtures/openai_server.ts";
import { tempDir } from "../helpers/files.ts";

const program = fromFileUrl(new URL("../../tools/prompts_eval.ts", import.meta.url));

/** Runs the program with nothing but `env`, a home of its own, and no Ollama. */
async function run(home: string, args: string[], env: Record<string, string> = {}) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", program, ...args],
    env: {
      HOME: home,
      EXAI_HOME: home,
      EXAI_FIND_LOCAL: "false",
      NO_COLOR: "1",
      PATH: Deno.env.get("PATH") ?? "",
      DENO_DIR: Deno.env.get("DENO_DIR") ?? join(Deno.env.get("HOME") ?? "", ".cache/deno"),
      ...env,
    },
    clearEnv: true,
    cwd: home,
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, said: text(stdout), errors: text(stderr) };
}

Deno.test("a user's own provider is scored with the tool's own prompt, and compared with an earlier report", async () => {
  const ledger = (await readPlanted()).find(({ name }) => name === "rust-ledger")!;
  const issues = ledger.faults.map(({ what, places: [place] }) => ({
    location: `${place!.file}:${place!.from}`,
    title: what,
  }));
  await using dir = await tempDir({});
  await using server = new OpenAiServer(
    say(JSON.stringify({ issues: issues.slice(1) })),
    say(JSON.stringify({ issues })),
  );
  server.models = [{ id: "reviewer-1", object: "model" }];
  const env = { CUSTOM_API_URL: server.url, CUSTOM_API_KEY: "k" };
  const flags = ["--model", "reviewer-1", "--tool", "codereview", "--repo", "rust-ledger"];
  const before = join(dir.path, "before.json");
  const first = await run(dir.path, [...flags, "--json", before], env);
  assertEquals(first.code, 0, first.errors);
  const after = join(dir.path, "after.json");
  const second = await run(dir.path, [...flags, "--runs", "2", "--json", after, "--baseline", before], env);
  assertEquals(second.code, 0, second.errors);
  assertStringIncludes(second.said, "100 %");
  assertStringIncludes(second.said, `gained codereview: rust-ledger/${ledger.faults[0]!.id}`);
  assertStringIncludes(second.errors, "2/2 codereview rust-ledger: 4 of 4 found");
  const report = JSON.parse(await Deno.readTextFile(after)) as EvalReport;
  assertEquals(report.results.map(({ model, run }) => [model, run]), [["reviewer-1", 1], ["reviewer-1", 2]]);
  assert(
    report.results.every(({ prompt, inputTokens }) => /^codereview@\d+$/.test(prompt!) && inputTokens > 0),
  );
  const [system] = server.lastBody.messages as { role: string; content: string }[];
  assertStringIncludes(system!.content, "# Checklist");
});

Deno.test("a dry run asks nothing; without a model, with a wrong flag and with a file that is no report it says what to do", async () => {
  await using dir = await tempDir({ "wrong.json": "{}" });
  const lines = [["--tool", "debug", "--repo", "c-logparse"], ["--tool", "poem"], [
    "--baseline",
    "wrong.json",
  ]];
  await using server = new OpenAiServer();
  server.models = [{ id: "reviewer-1", object: "model" }];
  const planned = run(dir.path, ["--dry-run", "--runs", "3"]);
  const judged = run(dir.path, ["--judge", "nobody"], { CUSTOM_API_URL: server.url });
  const [none, ...wrong] = await Promise.all(lines.map((args) => run(dir.path, args)));
  assertEquals(none!.code, 1);
  assertEquals(none!.errors.match(/a key: run/g)?.length, 1, none!.errors);
  assertStringIncludes((await judged).errors, 'there is no model "nobody"');
  assertEquals(server.chats.length, 0, "nothing is paid for before it is known that all can be asked");
  for (const [i, { code, errors }] of wrong.entries()) {
    assertEquals(code, 2);
    assertStringIncludes(errors, lines[i + 1]!.join(" "));
  }
  assertStringIncludes((await planned).said, "runs: 3");
});
