import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { getLogger } from "@logtape/logtape";
import { type LogOptions, redact, registerSecret, setupLog } from "../lib/base/log.ts";

function linesOf(options: Omit<LogOptions, "sinks">, speak: () => void): string[] {
  const lines: string[] = [];
  setupLog({ ...options, sinks: { test: (format) => (record) => lines.push(format(record)) } });
  speak();
  return lines;
}

Deno.test("a registered secret appears in no log line, in whatever form it was logged", () => {
  const secret = 's3c"r3t\\1/2 3';
  registerSecret(secret);
  for (const format of ["text", "json"] as const) {
    const lines = linesOf({ level: "info", format }, () => {
      const log = getLogger(["exai", "edge"]);
      log.info(`in the template ${secret}`);
      log.info("as a value {value}", { value: secret });
      log.info("inside a value {value}", { value: { authorization: `Bearer ${secret}` } });
      log.info("as a property", { value: secret });
      log.error("in an error {error}", { error: new Error(`refused ${secret}`) });
      log.info(`in an address ws://x/?token=${encodeURIComponent(secret)}`);
    });
    assertEquals(lines.length, 6);
    for (const line of lines) assert(!/s3c|r3t/.test(line), line);
  }
});

Deno.test("a secret that holds another goes as a whole, and short values are left alone", () => {
  registerSecret("inner-secret");
  registerSecret("outer-inner-secret-outer");
  registerSecret("a");
  assertEquals(redact("a outer-inner-secret-outer a inner-secret"), "a [secret] a [secret]");
});

Deno.test("a value cannot forge a log line of its own", () => {
  const [line] = linesOf({ level: "info", format: "text" }, () => {
    getLogger(["exai", "session"]).info("hello from {client}", { client: "x\n2026 [fatal] exai: gone" });
  });
  assertEquals(line!.trimEnd().split("\n").length, 1);
});

Deno.test("a JSON log line says time, level, room and message", () => {
  const [line] = linesOf({ level: "info", format: "json" }, () => {
    getLogger(["exai", "edge"]).warn("a client at {address} was refused", { address: "::1" });
  });
  const entry = JSON.parse(line!);
  assertEquals([entry.level, entry.logger, entry.properties], ["WARN", "exai.edge", { address: "::1" }]);
  assert(!Number.isNaN(Date.parse(entry["@timestamp"])));
});

Deno.test("what is less severe than the level is not logged", () => {
  const lines = linesOf({ level: "warning", format: "text" }, () => {
    const log = getLogger(["exai", "edge"]);
    log.info("quiet");
    log.warn("loud");
  });
  assertEquals(lines.map((line) => line.trimEnd().split(": ")[1]), ["loud"]);
});

Deno.test("a program whose stderr nobody reads goes on, and its log file has every line", async () => {
  const home = await Deno.makeTempDir();
  try {
    const program = fromFileUrl(new URL("fixtures/chatty.ts", import.meta.url));
    const command = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", program, home],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    });
    await using child = command.spawn();
    assertEquals(await new Response(child.stdout).text(), "through\n");
    await child.stderr.cancel();
    assertEquals((await child.status).code, 0);
    const lines = (await Deno.readTextFile(join(home, "logs", "shim.log"))).trimEnd().split("\n");
    assertEquals(lines.length, 5000);
    assertStringIncludes(lines.at(-1)!, "line 4999");
  } finally {
    await Deno.remove(home, { recursive: true });
  }
});
