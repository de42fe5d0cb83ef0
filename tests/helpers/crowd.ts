import { assert, assertEquals } from "@std/assert";
import { delay } from "@std/async/delay";
import { DatabaseSync } from "node:sqlite";
import { fromFileUrl } from "@std/path";
import { volatileName } from "../../lib/config/paths.ts";
import { signalProgram } from "./program.ts";
import { Shim } from "./shim.ts";

const daemonFile = fromFileUrl(new URL("../../daemon.ts", import.meta.url));
const counterFile = fromFileUrl(new URL("../../tools/load/counter_server.ts", import.meta.url));

const CROWD = 6;
const POLL_MS = 10;
const ROUND_MS = 60_000;

/** One of several daemons that are started on one home. */
interface Contender {
  process: Deno.ChildProcess;
  isFine: boolean;
  serves: boolean;
  code?: number;
  said: string;
  closed: Promise<unknown>;
}

/**
 * Starts six daemons at once on one home, where configuration and state are one directory, and kills the one that
 * serves in the middle of a call; `rounds` times.
 */
export async function crowdOneHome(rounds: number): Promise<void> {
  const home = await Deno.realPath(await Deno.makeTempDir({ prefix: "exai-crowd-" }));
  const record = `${home}/record.txt`;
  await Deno.chmod(home, 0o700);
  await Deno.writeTextFile(`${home}/mcp.json`, configOf(record));
  const crowd = new Crowd(home);
  try {
    await crowd.gather();
    const threads: string[] = [];
    {
      const env = { XDG_RUNTIME_DIR: "", EXAI_RECONNECT_MAX: "1s" };
      await using shim = await Shim.ready({ port: 0, home, env });
      for (let round = 1; round <= rounds; round++) {
        if (round > 1) await crowd.gather();
        await playRound(shim, crowd, { round, threads });
      }
      await crowd.gather();
      const last = await shim.call("count", { label: "the last" });
      assert(JSON.stringify(last).includes("ran the last"), JSON.stringify(last));
      await assertThreads(home, threads);
    }
    await crowd.endAll("SIGTERM");
    await assertRunOnce(record);
    assertIntact(home);
    assert(!(await namesIn("/dev/shm")).includes(volatileName(home)), "nothing is left in memory");
    const aside = (await namesIn(home)).filter((name) => name.includes("damaged"));
    assertEquals(aside, []);
  } finally {
    await crowd.endAll("SIGKILL");
    await Deno.remove(home, { recursive: true });
    await Deno.remove(`/dev/shm/${volatileName(home)}`, { recursive: true }).catch(() => {});
  }
}

async function playRound(
  shim: Shim,
  crowd: Crowd,
  { round, threads }: { round: number; threads: string[] },
): Promise<void> {
  const plan = { step: `round ${round}`, step_number: 1, total_steps: 1, next_step_required: false };
  const planned = JSON.stringify(await shim.call("planner", plan));
  const id = /continuation_id[^0-9a-f]+([0-9a-f-]{36})/.exec(planned)?.[1];
  assert(id, planned);
  threads.push(id!);
  const done = JSON.stringify(await shim.call("count", { label: `done ${round}` }));
  assert(done.includes(`ran done ${round}`), done);
  // Every second time the others are still at it when the one that serves is killed.
  if (round % 2 === 0) await crowd.settled();
  const running = shim.call("count", { label: `cut ${round}`, delayMs: 100 });
  const also = shim.call("count", { label: `also ${round}`, delayMs: 5 });
  await delay(15 * (round % 4));
  await crowd.endAll("SIGKILL", { gracefulForOthers: round % 2 === 1 });
  // The answer, or that it is not known, comes from the next daemon; nothing is waited for before there is one.
  running.catch(() => {});
  also.catch(() => {});
}

class Crowd {
  readonly #home: string;
  #all: Contender[] = [];

  constructor(home: string) {
    this.#home = home;
  }

  /** Starts them, and waits until one of them serves. */
  async gather(): Promise<void> {
    this.#all.push(...Array.from({ length: CROWD }, (_, n) => this.#start(n % 2 === 0)));
    await this.#until(() => this.#serving().length > 0, "none serves");
  }

  /** Waits until all but the one that serves have ended, and looks at what they say. */
  async settled(): Promise<void> {
    await this.#until(
      () => this.#all.filter(({ code }) => code === undefined).length === 1,
      "they do not end",
    );
    const [one] = this.#serving();
    assert(one, "the one that is left serves");
    for (const { code, isFine, said } of this.#all.filter((each) => each !== one)) {
      assertEquals(code, isFine ? 0 : 1, said);
      assert(said.includes("an EXAI daemon already runs at ws://"), said);
      assert(said.includes(`process ${one!.process.pid}`), said);
    }
  }

  /** Ends all; with `gracefulForOthers` the one that serves first, so that another may take its place. */
  async endAll(signal: Deno.Signal, { gracefulForOthers = false } = {}): Promise<void> {
    const [first] = this.#serving();
    if (first && gracefulForOthers) {
      kill(first, signal);
      await this.#until(() => first.code !== undefined, "it is not killed");
      const waits = () => this.#all.some(({ code }) => code === undefined);
      await this.#until(() => this.#serving().length > 0 || !waits(), "none takes its place");
    }
    for (const each of this.#all) kill(each, signal);
    await Promise.all(this.#all.map(({ closed }) => closed));
    this.#all = [];
  }

  #start(isFine: boolean): Contender {
    const process = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", daemonFile, ...(isFine ? ["--if-not-running"] : [])],
      env: { EXAI_HOME: this.#home, XDG_RUNTIME_DIR: "", EXAI_WS_PORT: "0", ENV_FILE: "" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const it: Contender = { process, isFine, serves: false, said: "", closed: Promise.resolve() };
    const hear = async (stream: ReadableStream<Uint8Array>) => {
      for await (const text of stream.pipeThrough(new TextDecoderStream())) {
        it.said += text;
        if (!it.serves && /is running \(process/.test(it.said)) this.#serves(it);
      }
    };
    const ended = process.status.then(({ code }) => it.code = code);
    it.closed = Promise.all([ended, hear(process.stdout), hear(process.stderr)]);
    it.closed.catch(() => {});
    return it;
  }

  #faults: string[] = [];

  #serves(it: Contender): void {
    it.serves = true;
    const others = this.#serving().filter((each) => each !== it);
    if (others.length > 0) this.#faults.push(`${it.process.pid} serves beside ${others[0]!.process.pid}`);
  }

  #serving(): Contender[] {
    return this.#all.filter(({ serves, code }) => serves && code === undefined);
  }

  async #until(holds: () => boolean, otherwise: string): Promise<void> {
    const end = performance.now() + ROUND_MS;
    while (!holds()) {
      const said = this.#all.map(({ code, said }) => `${code}: ${said}`).join("\n");
      assert(performance.now() < end, `${otherwise}:\n${said}`);
      await delay(POLL_MS);
    }
    assertEquals(this.#faults, []);
  }
}

function kill({ process, code }: Contender, signal: Deno.Signal): void {
  if (code === undefined) signalProgram(process, signal);
}

function configOf(record: string): string {
  const args = ["run", "-A", "--no-check", counterFile, record];
  return JSON.stringify({ mcpServers: { counter: { command: Deno.execPath(), args, share: "machine" } } });
}

async function assertRunOnce(record: string): Promise<void> {
  const labels = (await Deno.readTextFile(record)).trim().split("\n");
  const twice = labels.filter((label, at) => labels.indexOf(label) !== at);
  assertEquals(twice, [], "no call ran twice");
}

async function assertThreads(home: string, threads: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", daemonFile, "threads", "list", "--json"],
    env: { EXAI_HOME: home, XDG_RUNTIME_DIR: "", EXAI_WS_PORT: "0", ENV_FILE: "" },
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  const listed = JSON.parse(new TextDecoder().decode(stdout)).map(({ id }: { id: string }) => id);
  assertEquals(threads.filter((id) => !listed.includes(id)), [], "no thread is lost");
}

function assertIntact(home: string): void {
  for (
    const name of [
      "exai.db",
      "journal.db",
      "calls.db",
      "lists.db",
      "names.db",
      "sharing.db",
      "spending.db",
      "tasks.db",
      "used_states.db",
    ]
  ) {
    using db = new DatabaseSync(`${home}/${name}`);
    assertEquals(Object.values(db.prepare("PRAGMA integrity_check").get()!), ["ok"], name);
  }
}

async function namesIn(dir: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(dir))).map(({ name }) => name);
}
