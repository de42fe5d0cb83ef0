import { assertEquals } from "@std/assert";
import { mountingDaemon } from "../helpers/mounts.ts";

Deno.test({
  name: "commands that follow end once nobody reads them, quietly, also while they have nothing to print",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using it = await mountingDaemon({});
    await Deno.writeTextFile(`${it.home}/logs/daemon.log`, "one\n");
    const run = async (line: string) => {
      const { stdout, stderr } = await new Deno.Command("sh", {
        args: ["-c", line.replaceAll("exai", "deno run -A --no-check daemon.ts")],
        env: { EXAI_HOME: it.home, EXAI_WS_PORT: new URL(it.url).port },
        stdin: "null",
      }).output();
      const decoder = new TextDecoder();
      return [
        line,
        decoder.decode(stdout).trim().split("\n").length,
        decoder.decode(stderr).replace(/^.*: at work.*\n/gm, ""),
      ];
    };
    const lines = [
      "exai top --json | head -1",
      "exai calls --follow | head -1",
      "exai calls --follow --json | head -0",
      "exai logs --follow | head -1",
    ];
    const code = "(exai config check nothing --json; echo $? >&2) | true";
    assertEquals(await Promise.all([...lines, code].map(run)), [
      ...lines.map((line) => [line, 1, ""]),
      [code, 1, "2\n"],
    ]);
  },
});
