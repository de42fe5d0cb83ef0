import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import type { ChildProcess } from "node:child_process";
import { EventEmitter } from "node:events";
import { PassThrough } from "node:stream";
import { ExaiError } from "../lib/base/errors.ts";
import type { ProcessTrees } from "../lib/process/process_trees.ts";
import { PROCESS_LIMITS, ServerProcess } from "../lib/process/server_process.ts";
import type { RpcMessage } from "../lib/wire/rpc.ts";
import { parsed } from "./helpers/messages.ts";
import { settled } from "./helpers/instance.ts";

/** A child process that does what the test says, and what was done to it. */
function processOf({ graceMs = 10_000 } = {}) {
  const stdin = new PassThrough();
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const child = Object.assign(new EventEmitter(), { pid: 4711, stdin, stdout, stderr });
  const done: string[] = [];
  const logged: string[] = [];
  const heard: RpcMessage[] = [];
  const errors: string[] = [];
  const trees: ProcessTrees = {
    adopt: (pid) => void done.push(`adopt ${pid}`),
    terminate: (pid) => Promise.resolve(void done.push(`terminate ${pid}`)),
    kill: (pid) => Promise.resolve(void done.push(`kill ${pid}`)),
    sweep: (pid, ms) => Promise.resolve(void done.push(`sweep ${pid} ${ms}`)),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const process = new ServerProcess(child as unknown as ChildProcess & { pid: number }, {
    ...PROCESS_LIMITS,
    closeGraceMs: graceMs,
    termGraceMs: graceMs,
    server: "files",
    trees,
    log: (text) => void logged.push(text),
  });
  process.onmessage = (message) => void heard.push(parsed(message));
  process.onerror = ({ message }) => void errors.push(message);
  process.onclose = () => void done.push("closed");
  return {
    process,
    child,
    done,
    logged,
    heard,
    errors,
    /** Ends as a program does: its exit is told, and then its streams are closed. */
    end: (code: number | null, signal: string | null = null) => {
      child.emit("exit", code, signal);
      child.emit("close");
    },
  };
}

const line = (value: unknown) => `${JSON.stringify(value)}\n`;
const NOTE = { jsonrpc: "2.0", method: "x" } as const;

Deno.test("a process may take two seconds to end when it is asked to, and 64 MiB at once", () => {
  assertEquals(PROCESS_LIMITS, {
    maxLineBytes: 67_108_864,
    maxQueuedBytes: 67_108_864,
    closeGraceMs: 2000,
    termGraceMs: 2000,
  });
});

Deno.test("what a process says before it is listened to is not lost, and all is counted", async () => {
  const { process, child, heard, done, logged, end } = processOf();
  assertEquals([process.pid, done, process.startedAt instanceof Date], [4711, ["adopt 4711"], true]);
  assertMatch(logged[0]!, /^[\dTZ:.-]+ \[4711\] \(started\)\n$/);
  child.stdout.write(line(NOTE) + "noise\n");
  await settled();
  assertEquals(heard, []);
  await process.start();
  await settled();
  assertEquals(heard, [NOTE]);
  assertMatch(logged[1]!, /\[4711\] \(stdout, no message\) noise\n$/);
  await process.send(NOTE);
  assertEquals([String(child.stdin.read()), process.bufferedBytes], [line(NOTE), 0]);
  assertEquals(process.traffic, {
    bytesIn: line(NOTE).length + 6,
    messagesIn: 1,
    noiseCount: 1,
    noise: ["noise"],
    bytesOut: line(NOTE).length,
  });
  child.stdout.write(line({ jsonrpc: "2.0", method: 1 }));
  await settled();
  end(0);
  await process.closed;
});

Deno.test("a process that ends by itself says how, with its last words, and takes nothing more", async () => {
  const { process, child, done, logged, end } = processOf();
  assertEquals([process.end, process.describeEnd()], [undefined, "it is ending"]);
  child.stderr.write("a first line\nout of\r\nluck\n");
  await settled();
  end(3);
  const ended = await process.closed;
  assertEquals(ended, { code: 3, signal: null, stderrTail: "a first line\nout of\nluck", wasClosed: false });
  assertEquals([process.end, done], [ended, ["adopt 4711", "sweep 4711 10000", "closed"]]);
  assertEquals(
    process.describeEnd(),
    "it exited with code 3; its last words on stderr: a first line\nout of\nluck",
  );
  const text = logged.join("");
  assertMatch(text, /\[4711\] a first line\n[\dTZ:.-]+ \[4711\] out of\n[\dTZ:.-]+ \[4711\] luck\n/);
  assertMatch(logged.at(-1)!, /\[4711\] \(it exited with code 3\)\n$/);
  const error = await assertRejects(
    () => process.send(NOTE),
    ExaiError,
    'server "files": it exited with code 3',
  );
  assertEquals([error.code, error.details], ["UPSTREAM_UNAVAILABLE", { server: "files" }]);
  assertEquals([child.stdin.destroyed, child.stdout.destroyed, child.stderr.destroyed], [true, true, true]);
  await process.close();
  assertEquals(process.end!.wasClosed, false);
});

Deno.test("a process that a signal has ended, and that said nothing, says that", async () => {
  const { process, end } = processOf();
  end(null, "SIGSEGV");
  await process.closed;
  const ended = Deno.build.os === "windows" ? "terminated" : "ended by SIGSEGV";
  assertEquals(process.describeEnd(), `it was ${ended} and said nothing on stderr`);
});

Deno.test("what a process wrote just before its end is still read, also without a line end", async () => {
  const { process, child, heard } = processOf();
  await process.start();
  child.emit("exit", 0, null);
  await settled();
  child.stdout.write(line(NOTE) + JSON.stringify(NOTE));
  await settled();
  child.emit("close");
  await process.closed;
  assertEquals(heard.length, 2);
});

Deno.test("a process that closes its output is ending, and says so until it is known how it ended", async () => {
  const { process, child, end } = processOf();
  await process.start();
  assertEquals(process.isEnding, false);
  child.stdout.end();
  child.stdout.resume();
  await settled();
  assertEquals(process.isEnding, true);
  await assertRejects(() => process.send(NOTE), ExaiError, "it is ending");
  end(3);
  await process.closed;
  assertEquals(process.isEnding, false);
});

Deno.test("a process whose streams stay open after its end is not waited for long", async () => {
  const { process, child } = processOf();
  const beganMs = performance.now();
  child.emit("exit", 0, null);
  await process.closed;
  const tookMs = performance.now() - beganMs;
  assertEquals(tookMs > 90 && tookMs < 5000, true, `${tookMs} ms`);
});

Deno.test("a process is asked to end by closing its stdin, and nothing more where that does it", async () => {
  const { process, child, done, end } = processOf();
  const closing = process.close();
  assertEquals(child.stdin.writableEnded, true);
  await assertRejects(() => process.send(NOTE), ExaiError, "it is being stopped");
  end(0);
  await closing;
  assertEquals([done, process.end!.wasClosed, process.describeEnd()], [
    ["adopt 4711", "sweep 4711 10000", "closed"],
    true,
    "it was stopped",
  ]);
});

Deno.test("a process that does not end is terminated, and killed when that does not help either", async () => {
  const { process, done, end } = processOf({ graceMs: 20 });
  const closing = process.close();
  for (let n = 0; n < 200 && done.length < 3; n++) await new Promise((resolve) => setTimeout(resolve, 5));
  assertEquals(done, ["adopt 4711", "terminate 4711", "kill 4711"]);
  end(null, "SIGKILL");
  await closing;
  assertEquals(process.end!.signal, "SIGKILL");
  const soft = processOf({ graceMs: 20 });
  const ending = soft.process[Symbol.asyncDispose]();
  for (let n = 0; n < 200 && soft.done.length < 2; n++) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  soft.end(null, "SIGTERM");
  await ending;
  assertEquals(soft.done, ["adopt 4711", "terminate 4711", "sweep 4711 20", "closed"]);
});

for (
  const [what, harm] of [
    ["stdin breaks", (child) => child.stdin.emit("error", new Error("EPIPE"))],
    ["stdout breaks", (child) => child.stdout.emit("error", new Error("EIO"))],
    ["stdout is closed", (child) => child.stdout.end()],
  ] as [string, (child: ReturnType<typeof processOf>["child"]) => void][]
) {
  Deno.test(`a process whose ${what} is of no more use and is ended, which nobody wanted`, async () => {
    const { process, child, end } = processOf();
    await process.start();
    harm(child);
    await settled();
    await settled();
    assertEquals(child.stdin.writableEnded, true);
    end(0);
    assertEquals((await process.closed).wasClosed, false);
  });
}

Deno.test("no line of a log can seem to be another's, and none writes to the terminal it is read in", async () => {
  const { process, child, logged, end } = processOf();
  child.stderr.write("\x1b[2Jclear\n");
  await settled();
  assertEquals(logged.join("").includes("\x1b"), false);
  end(0);
  await process.closed;
});
