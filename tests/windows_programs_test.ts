import { assert, assertEquals, assertGreater, assertMatch, assertStringIncludes } from "@std/assert";
import { delay } from "@std/async/delay";
import { fromFileUrl, join } from "@std/path";
import { joinCommandLine } from "../lib/base/windows_command_line.ts";
import { placeOf } from "../lib/client/detached/job_limits.ts";
import { wmiInput } from "../lib/client/detached/start_by_wmi.ts";
import { startDetached } from "../lib/client/start_detached.ts";
import { processTable, treeUsage } from "../lib/process/process_table.ts";
import { registryTexts } from "../lib/process/windows/registry.ts";
import { environmentOf, registryEnvironment } from "../lib/process/windows/registry_environment.ts";
import { describeWindowsExit } from "../lib/process/windows/exit_code.ts";
import { withoutReusedParents } from "../lib/process/windows/process_table.ts";
import type { RpcResponse } from "../lib/wire/rpc.ts";
import { tempDir } from "./helpers/files.ts";
import { Lifelines, oddProcess, ProcessClient, testHost } from "./helpers/processes.ts";
import { windowsJob } from "./helpers/windows_job.ts";
import { until } from "./helpers/until.ts";

const DETACHING = fromFileUrl(new URL("fixtures/detaching_client.ts", import.meta.url));

/** Tests of what only Windows has; `deno task windows` runs them elsewhere. */
const onWindows = { ignore: Deno.build.os !== "windows" };

Deno.test("a daemon leaves the job of a client that would end it, by itself or with help", () => {
  assertEquals(placeOf({ isInJob: true }), "breakaway", "a job that does not end what it holds");
  assertEquals(
    placeOf({ isInJob: true, flags: 0x3800 }),
    "released",
    "what it starts is in no job, or in an outer one",
  );
  assertEquals(placeOf({ isInJob: true, flags: 0x0800 }), "breakaway");
});

Deno.test("arguments reach a program as they are, whatever quotes and backslashes are in them", () => {
  const line = (...args: string[]) => joinCommandLine("C:\\it.exe", args).slice('"C:\\it.exe" '.length);
  assertEquals(line("a\\b", "a\\\\b c", 'a\\"b'), String.raw`a\b "a\\b c" "a\\\"b"`);
  assertEquals(
    line("tab\there", "Jörg Müller\\"),
    String.raw`"tab` + "\t" + String.raw`here" "Jörg Müller\\"`,
  );
});

Deno.test("what PowerShell is to start comes to it in ASCII, whatever the code page of the console", () => {
  const start = {
    command: "C:\\Jörg\\d.exe",
    args: ["😀"],
    cwd: "C:\\Jörg",
    env: { PATH: "C:\\Zoë", A: "1\n2" },
  };
  const input = wmiInput(start);
  assertMatch(input, /^[\x20-\x7e]*$/);
  assertEquals(JSON.parse(input), {
    line: '"C:\\Jörg\\d.exe" 😀',
    cwd: "C:\\Jörg",
    env: ["PATH=C:\\Zoë", "A=1\n2"],
  });
});

Deno.test("the end of a server on Windows is told in the words of Windows", () => {
  const told = (code: number | null, signal: string | null = null) => describeWindowsExit({ code, signal });
  assertEquals(told(0), "it exited with code 0");
  assertEquals(told(-1), "it exited with code -1");
  assertEquals(told(4294967295), "it exited with code -1");
  assertEquals(told(9009), "it exited with code 9009 (the program was not found)");
  assertEquals(
    told(-1073741819),
    "Windows ended it with 0xC0000005 (it accessed memory that is not its own)",
  );
  assertEquals(told(0xC0001234), "Windows ended it with 0xC0001234");
  assertEquals(told(1, "SIGTERM"), "it was terminated");
});

Deno.test("the variables of a new terminal are the machine's, then the user's, with letters of every alphabet", () => {
  const text = (name: string, text: string) => ({ name, text, expands: /%/.test(text) });
  const machine = [
    text("Path", "%SystemRoot%;C:\\Größe"),
    text("NODE", "C:\\node"),
    text("X", "%NODE%\\%NONE%"),
  ];
  const user = [text("Path", "C:\\Users\\Łukasz\\bin"), text("NODE", "D:\\node")];
  assertEquals(environmentOf([machine, user], { systemroot: "C:\\W" }), {
    PATH: "C:\\W;C:\\Größe;C:\\Users\\Łukasz\\bin",
    NODE: "D:\\node",
    X: "C:\\node\\%NONE%",
  });
});

Deno.test("a server is not charged for the processes of a stranger whose id it has got", () => {
  const row = (pid: number, ppid: number, startedAt: string) => ({ pid, ppid, startedAt, rssBytes: 1 });
  const rows = [row(4, 0, ""), row(8, 4, "50"), row(12, 8, "40"), row(16, 8, "60"), row(20, 99, "10")];
  assertEquals(withoutReusedParents(rows).map(({ ppid }) => ppid), [0, 4, 0, 8, 99]);
});

Deno.test({
  name: "a server that never reads blocks nobody: the event loop goes on, and its end is noticed",
  ...onWindows,
  async fn() {
    await using host = testHost({
      env: { USERPROFILE: "C:\\" },
      limits: { closeGraceMs: 0, termGraceMs: 200 },
    });
    const process = await host.spawn(oddProcess("unread", { cwd: "C:\\" }));
    const heard = Promise.withResolvers<unknown>();
    process.onmessage = heard.resolve;
    process.start();
    await heard.promise;
    const text = "x".repeat(256 * 1024);
    const startMs = performance.now();
    for (const id of [1, 2, 3, 4]) {
      process.send({ jsonrpc: "2.0", id, method: "m", params: { text } }).catch(() => {});
      // The messages of one turn are one write.
      await delay(1);
    }
    for (let turn = 0; turn < 10; turn++) await delay(1);
    assert(performance.now() - startMs < 5000, "the event loop was blocked");
    assertGreater(process.bufferedBytes, 256 * 1024);
    await process.close();
    assertEquals(process.end!.wasClosed, true);
  },
});

Deno.test({
  name: "many silent servers take no threads that files are read with, and each is heard and ended",
  ...onWindows,
  async fn() {
    await using dir = await tempDir({ "ünd es geht/file.txt": "text" });
    await using host = testHost({ env: { USERPROFILE: dir.path } });
    // Four threads for each core are all that Deno has for such work.
    const count = 4 * navigator.hardwareConcurrency + 2;
    const cwd = join(dir.path, "ünd es geht");
    const running = await Promise.all(
      Array.from({ length: Math.min(count, 12) }, () => host.spawn(oddProcess("echo", { cwd }))),
    );
    const clients = running.map((process) => new ProcessClient(process));
    const answers = await Promise.all(
      clients.map((client, n) => client.ask("size", { unit: "ü", count: n + 1 })),
    );
    assertEquals(
      answers.map((answer) => textOf(answer).length),
      [
        ...answers.keys(),
      ].map((n) => n + 1),
    );
    assertEquals(await Deno.readTextFile(join(cwd, "file.txt")), "text");
    const usage = await host.usage();
    for (const { pid } of running) assertGreater(usage.get(pid)!.memoryBytes, 1024 * 1024);
    await Promise.all(running.map((process) => process.close()));
    assertEquals(
      running.map(({ end }) => end!.code),
      running.map(() => 0),
      "each has seen the end of its stdin",
    );
  },
});

Deno.test({
  name: "what processes use is read from Windows itself, in milliseconds",
  ...onWindows,
  async fn() {
    const rows = await processTable();
    const own = rows.find(({ pid }) => pid === Deno.pid)!;
    assertEquals(own.ppid, Deno.ppid);
    assertMatch(own.startedAt, /^\d{15,}$/);
    assertGreater(own.rssBytes!, 10 * 1024 * 1024);
    // The quickest of several: the machine may have stalled in any one of them.
    let [tookMs, memoryBytes, processes] = [Infinity, 0, 0];
    for (let look = 0; look < 5 && tookMs >= 250; look++) {
      const startMs = performance.now();
      ({ memoryBytes, processes } = (await treeUsage([Deno.pid])).get(Deno.pid)!);
      tookMs = Math.min(tookMs, performance.now() - startMs);
    }
    assert(tookMs < 250, "it takes milliseconds, not a PowerShell");
    assert(memoryBytes >= own.rssBytes! / 2 && processes >= 1);
  },
});

Deno.test({
  name: "the variables of the registry are read whole, and a key that is not there is no end of the daemon",
  ...onWindows,
  fn() {
    const texts = registryTexts(
      "machine",
      "SYSTEM\\CurrentControlSet\\Control\\Session Manager\\Environment",
    );
    assert(texts.some(({ name, text }) => name.toUpperCase() === "PATH" && /system32/i.test(text)));
    assertStringIncludes(
      registryEnvironment({ SystemRoot: "C:\\windows" }).PATH!.toLowerCase(),
      "c:\\windows\\system32",
    );
  },
});

Deno.test({
  name: "a detached program gets its arguments, directory and variables, and nothing else of this process",
  async fn() {
    await using dir = await tempDir({ "es läuft/it.ts": PROGRAM });
    const cwd = join(dir.path, "es läuft");
    Deno.env.set("OF_THIS_PROCESS", "1");
    // Windows starts nothing without it.
    const SystemRoot = Deno.env.get("SystemRoot") ?? "/";
    using program = await startDetached({
      command: Deno.execPath(),
      args: ["run", "-A", "--no-config", "it.ts", 'a "b" c\\', "größer"],
      cwd,
      env: { SystemRoot, ONLY: "Zoë", DENO_DIR: Deno.env.get("DENO_DIR") ?? join(dir.path, "deno") },
    });
    await until("its end", () => program.exitCode);
    const { args, env, isTerminal, pid, session } = JSON.parse(
      await Deno.readTextFile(join(cwd, "said.json")),
    );
    assertEquals([program.exitCode, args, env.ONLY, isTerminal], [7, ['a "b" c\\', "größer"], "Zoë", false]);
    assertEquals(env.OF_THIS_PROCESS, undefined);
    // Signals to the group, or the end of the terminal, do not reach it.
    if (Deno.build.os === "linux") assertEquals(session, pid);
  },
});

const textOf = ({ result }: RpcResponse) => (result as { text: string }).text;

for (const [limits, what] of [[0x2800, "allows to leave it"], [0x3000, "holds no descendants"]] as const) {
  Deno.test({
    name: `a daemon survives the client that started it in a job object that ${what}`,
    ...onWindows,
    async fn() {
      using lifelines = new Lifelines();
      const client = new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--no-check", DETACHING, String(lifelines.port)],
        stdin: "piped",
        stdout: "piped",
        stderr: "null",
      }).spawn();
      {
        const job = windowsJob(limits);
        job.hold(client.pid);
        const stdin = client.stdin.getWriter();
        await stdin.write(new Uint8Array(1));
        stdin.releaseLock();
        const daemon = await lifelines.next();
        assertEquals((await treeUsage([client.pid])).get(client.pid)!.processes >= 1, true);
        // Its stdout is not held by the daemon: it ends with the client.
        job[Symbol.dispose]();
        await client.status;
        assertEquals(await new Response(client.stdout).text(), "started\n");
        assert((await processTable()).some(({ pid }) => pid === daemon.pid), "it has ended with the client");
        Deno.kill(daemon.pid, "SIGKILL");
        await daemon.ended;
      }
      await client.stdin.close().catch(() => {});
    },
  });
}

/** Writes down what it was given. */
const PROGRAM = `
const stat = Deno.build.os === "linux" ? Deno.readTextFileSync("/proc/self/stat") : ") ";
const session = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[3]);
const said = { pid: Deno.pid, session, args: Deno.args, env: Deno.env.toObject(), isTerminal: Deno.stdin.isTerminal() };
Deno.writeTextFileSync("said.json", JSON.stringify(said));
console.log("to nobody");
Deno.exit(7);
`;
