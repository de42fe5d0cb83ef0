import { delay } from "@std/async/delay";
import { join } from "@std/path";
import { OpClient } from "../lib/op_client.ts";
import { CommandRun, type Ended, misbehaviour } from "./command_run.ts";
import type { Scene } from "./fault.ts";

/** A command, as it is tried beside a busy daemon. */
interface Attempt {
  name: string;
  /** Its words; undefined when there is nothing now that it could be tried on. */
  words(scene: Scene): Promise<string[] | undefined>;
  /** Whether it may fail though the daemon runs: what it was to act on may have ended by itself. */
  mayMiss?: boolean;
  /** Goes on until it is interrupted, or the daemon ends. */
  endless?: boolean;
  /** Runs it where there is something to see to. */
  run?(scene: Scene, words: readonly string[]): Promise<Ended | undefined>;
}

const words = (...list: string[]) => () => Promise.resolve(list);

export const ATTEMPTS: readonly Attempt[] = [
  { name: "ps", words: words("ps") },
  { name: "ps --json", words: words("ps", "--json") },
  { name: "calls", words: words("calls") },
  { name: "calls --json", words: words("calls", "--json", "--limit=200") },
  { name: "calls --follow", words: words("calls", "--follow"), endless: true },
  { name: "threads list", words: words("threads", "list") },
  { name: "threads show", words: (scene) => aThread(scene, "show") },
  { name: "threads delete", words: (scene) => aThread(scene, "delete"), run: deleteThread },
  { name: "threads export", words: words("threads", "export", "--json"), run: exportThreads },
  { name: "token show", words: words("token", "show") },
  { name: "token rotate", words: words("token", "rotate") },
  { name: "reload", words: words("reload") },
  { name: "cancel", words: cancelACall, mayMiss: true },
  { name: "kill session", words: killAnIdleSession },
];

/** Commands at once: more would only wait for the processors. */
const AT_ONCE = 4;
const SPREAD_MS = 700;
const INTERRUPTED_MS = 10_000;
const CHECK_EVERY = 5;

/** Runs some commands beside the busy daemon; every other time the daemon is killed in the middle. */
export async function runCommands(scene: Scene, n: number): Promise<void> {
  const { rig, random, load } = scene;
  const kills = n % 2 === 1;
  // In turn, so that each is tried equally often, with and without the kill.
  const turn = Math.floor(n / 2) * AT_ONCE;
  const chosen = Array.from({ length: AT_ONCE }, (_, i) => ATTEMPTS[(turn + i) % ATTEMPTS.length]!);
  const prepared = await Promise.all(chosen.map((attempt) => attempt.words(scene)));
  const running = chosen.flatMap((attempt, i) =>
    prepared[i] ? [tryCommand(scene, attempt, { words: prepared[i], kills })] : []
  );
  if (kills) {
    await delay(random() * SPREAD_MS);
    await rig.killDaemon();
  }
  await Promise.all(running);
  if (n % CHECK_EVERY === CHECK_EVERY - 1) {
    await load.flows(60_000);
    await scene.checkThreads();
  }
}

async function tryCommand(
  scene: Scene,
  attempt: Attempt,
  options: { words: readonly string[]; kills: boolean },
): Promise<void> {
  const { rig } = scene;
  const run = attempt.run ?? (attempt.endless ? followAndStop : runToItsEnd);
  const ended = await run(scene, options.words);
  if (!ended) return rig.tally.wrong(`${attempt.name} does not end by itself`);
  const fault = misbehaviour(ended);
  if (fault) return rig.tally.wrong(`${attempt.name}: ${fault}`);
  if (!ended.succeeded && !options.kills && !attempt.mayMiss && !attempt.endless) {
    rig.tally.wrong(`${attempt.name} beside a daemon that runs ${ended.how}: ${ended.stderr.trim()}`);
  }
}

async function runToItsEnd({ rig }: Scene, args: readonly string[]): Promise<Ended | undefined> {
  await using run = new CommandRun(rig, args);
  return await run.within();
}

async function followAndStop(scene: Scene, args: readonly string[]): Promise<Ended | undefined> {
  await using run = new CommandRun(scene.rig, args);
  const untilMs = performance.now() + INTERRUPTED_MS;
  while (!run.hasSpoken && !run.result && performance.now() < untilMs) await delay(20);
  await run.within(SPREAD_MS);
  run.interrupt();
  return await run.within(INTERRUPTED_MS);
}

async function deleteThread(scene: Scene, args: readonly string[]): Promise<Ended | undefined> {
  const thread = scene.threads!.find(args.at(-1)!)!;
  const ended = await runToItsEnd(scene, args);
  if (ended?.succeeded) thread.deletion = "done";
  return ended;
}

async function exportThreads(scene: Scene, args: readonly string[]): Promise<Ended | undefined> {
  const before = scene.threads!.snapshot();
  const ended = await runToItsEnd(scene, args);
  if (ended?.succeeded) {
    scene.threads!.compare(before, ended.stdout).forEach((what) => scene.rig.tally.wrong(what));
  }
  return ended;
}

function aThread({ threads }: Scene, action: "show" | "delete"): Promise<string[] | undefined> {
  const thread = threads?.any(action);
  // From now on it may be gone.
  if (thread && action === "delete") thread.deletion = "asked";
  return Promise.resolve(thread && ["threads", action, thread.id]);
}

async function cancelACall(scene: Scene): Promise<string[] | undefined> {
  const ended = await runToItsEnd(scene, ["calls", "--outcome=running", "--json"]);
  if (!ended?.succeeded) return undefined;
  const calls = (JSON.parse(ended.stdout) as { id: string; tool: string }[]).filter(({ tool }) =>
    tool === "count"
  );
  const call = calls[Math.floor(scene.random() * calls.length)];
  return call && ["cancel", call.id];
}

async function killAnIdleSession({ rig }: Scene): Promise<string[] | undefined> {
  const token = (await Deno.readTextFile(join(rig.home, "token")).catch(() => "")).trim();
  // Left open: that the daemon ends it is what the command is for.
  const client = await OpClient.connect(`ws://127.0.0.1:${rig.port}/`);
  const { session_id } = await client.hello(token);
  return ["kill", "session", session_id];
}
