import { assertEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { tempDir } from "./helpers/files.ts";

const program = fromFileUrl(new URL("fixtures/echo_stdio.ts", import.meta.url));
const UNIX = Deno.build.os !== "windows";

const LINES = Array.from({ length: 400 }, (_, i) => `${i} ${"ä€x".repeat(i % 97)}\n`);

function echo(...args: string[]): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", program, ...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  });
}

/** Sends `lines` one by one, each when the one before it has come back. @returns all that came back */
async function conversation(child: Deno.ChildProcess, lines: readonly string[]): Promise<string> {
  const writer = child.stdin.getWriter();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let [sent, received] = ["", ""];
  for (const line of lines) {
    sent += line;
    await writer.write(new TextEncoder().encode(line));
    while (received.length < sent.length) {
      const { value } = await reader.read();
      if (value === undefined) return received;
      received += value;
    }
  }
  await writer.close();
  for (let part; (part = await reader.read()), !part.done;) received += part.value;
  return received;
}

Deno.test("what a client says arrives as it was sent while the shim changes to sockets", async () => {
  for (const busyChunks of ["1", "20"]) {
    await using child = echo(busyChunks).spawn();
    assertEquals(await conversation(child, LINES), LINES.join(""), busyChunks);
    assertEquals((await child.status).code, 0);
  }
});

Deno.test({
  name: "an answer that finds the pipe full during the change to sockets is written",
  ignore: !UNIX,
  async fn() {
    await using child = echo("1", "0", "full").spawn();
    assertEquals(await conversation(child, LINES.slice(0, 20)), LINES.slice(0, 20).join(""));
    assertEquals((await child.status).code, 0);
  },
});

Deno.test("a client that writes everything before it reads anything gets it all", async () => {
  // Of what follows, a part fits into the pipe.
  const first = "-".repeat(40_000);
  for (const mode of UNIX ? ["blocking", "non-blocking"] : ["blocking"]) {
    await using child = echo("512", String(first.length), mode).spawn();
    const text = LINES.join("");
    const writer = child.stdin.getWriter();
    // More than pipes hold, in one piece and in many.
    await writer.write(new TextEncoder().encode(text.repeat(2)));
    const rest = writer.write(new TextEncoder().encode(text.repeat(40))).then(() => writer.close());
    const received = await new Response(child.stdout).text();
    await rest;
    const expected = first + text.repeat(42);
    assertEquals(received === expected, true, `${mode}: ${received.length} of ${expected.length}`);
    assertEquals((await child.status).code, 0);
  }
});

Deno.test({
  name: "a stdin that another process has made non-blocking is waited for, not tried over and over",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using child = echo("512", "0", "non-blocking stdin").spawn();
    assertEquals(await conversation(child, LINES.slice(0, 20)), LINES.slice(0, 20).join(""));
    assertEquals((await child.status).code, 0);
  },
});

Deno.test({
  name: "a file as stdin and a file as stdout are read to the end and written whole",
  ignore: !UNIX,
  async fn() {
    await using dir = await tempDir({ "in.txt": LINES.join("") });
    const [input, output] = [join(dir.path, "in.txt"), join(dir.path, "out.txt")];
    const command = '"$0" run -A --no-check "$1" 1 < "$2" > "$3"';
    const { code } = await new Deno.Command("sh", {
      args: ["-c", command, Deno.execPath(), program, input, output],
    }).output();
    assertEquals(code, 0);
    assertEquals(await Deno.readTextFile(output), LINES.join(""));
  },
});

Deno.test("a reader of stdout that goes away is noticed", async () => {
  await using child = echo("512").spawn();
  await child.stdout.cancel();
  const writer = child.stdin.getWriter();
  const { promise: over, resolve } = Promise.withResolvers<void>();
  child.status.then(() => resolve());
  const flood = async () => {
    try {
      while (true) await writer.write(new TextEncoder().encode("x".repeat(1000) + "\n"));
    } catch {
      // The program has ended.
    }
  };
  await Promise.all([over, flood()]);
  assertEquals((await child.status).code, 3);
});

Deno.test("what a client says while a long answer is written to it arrives as it was sent", async () => {
  // The answer alone is reason to change to sockets, and a read is under way.
  const answer = "-".repeat(1_000_000);
  const question = "?\n";
  const rest = LINES.join("").repeat(4);
  await Promise.all(Array.from({ length: 6 }, async () => {
    await using child = echo("512", String(answer.length), "after a question").spawn();
    const writer = child.stdin.getWriter();
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    await writer.write(new TextEncoder().encode(question));
    let received = "";
    const more = async () => {
      const { value } = await reader.read();
      received += value ?? "";
      return value !== undefined;
    };
    while (received.length <= question.length) await more();
    const sent = writer.write(new TextEncoder().encode(rest)).then(() => writer.close());
    while (await more());
    await sent;
    const expected = question + answer + rest;
    assertEquals(received === expected, true, `${received.length} of ${expected.length}`);
    assertEquals((await child.status).code, 0);
  }));
});
