import { ExaiError } from "../base/errors.ts";
import { quoteName } from "../base/text.ts";
import { visibleJson } from "../base/visible.ts";
import { type StatePaths, statePaths } from "../config/paths.ts";
import type { Settings } from "../config/settings.ts";
import { openThreadStore } from "../state/sqlite_thread_store.ts";
import type { Thread, ThreadWithTurns, Turn } from "../state/thread_store.ts";
import { writeTranscript } from "../state/transcript.ts";
import { askDaemon } from "../client/daemon_client.ts";
import { accessHome } from "./home_access.ts";
import { type Command, type Invocation, JSON_FLAG, usageOf } from "./command.ts";
import { formatLocalTime, formatTable } from "./table.ts";
import { allThreads, MAX_THREADS, type ThreadAccess } from "../admin/thread_routes.ts";

/** The shortest prefix accepted as an id. */
const MIN_PREFIX_CHARS = 4;

type Action = (store: ThreadAccess, args: readonly string[], options: { json: boolean }) => Promise<string>;

const ACTIONS: Readonly<Record<string, Action>> = { list, show, delete: remove, export: exportThreads };

export const threadsCommand: Command = {
  summary: "List, show, delete or export threads of every workspace",
  forms: [
    {
      args: "[list]",
      does: "the threads of every workspace, those used last first; the same without `list`",
    },
    { args: "show ID", does: "one thread in full" },
    { args: "delete ID...", does: "deletes threads" },
    { args: "export [ID...]", does: "all threads, or those named, as Markdown or with `--json` as JSON" },
  ],
  flags: [JSON_FLAG],
  run: threads,
};

/**
 * Goes through the daemon, or to the database itself while none runs.
 *
 * @throws {ExaiError} `CONFIG` for an unknown action or an ambiguous id, `RESOURCE_NOT_FOUND`
 */
async function threads({ args, settings, switches }: Invocation): Promise<string> {
  const act = threadsAction(args, { json: switches.has("json") });
  // Without a database there are no threads; reading must not create one.
  if (!await exists(statePaths(settings).database)) {
    using none = openThreadStore(limitsOf(settings));
    return await act(allThreads(none));
  }
  return await accessHome(settings, {
    ask: () => act(threadsOfDaemon(settings)),
    alone: (paths) => onDatabase(settings, paths, act),
  });
}

/**
 * The action that `args` name, bound to its arguments.
 *
 * @throws {ExaiError} `CONFIG` for an unknown action
 */
export function threadsAction(
  [word = "list", ...rest]: readonly string[],
  options: { json: boolean },
): (threads: ThreadAccess) => Promise<string> {
  const action = Object.hasOwn(ACTIONS, word) ? ACTIONS[word] : undefined;
  if (action === undefined) {
    throw new ExaiError(
      "CONFIG",
      `${quoteName(word)} is nothing to do with threads; ${usageOf("threads", threadsCommand)}`,
    );
  }
  return (threads) => action(threads, rest, options);
}

/** @throws {ExaiError} `CONFIG` when the database could not be read and was moved aside */
async function onDatabase(
  settings: Settings,
  { database }: StatePaths,
  act: (threads: ThreadAccess) => Promise<string>,
): Promise<string> {
  const notes: string[] = [];
  using store = openThreadStore({
    ...limitsOf(settings),
    path: database,
    onQuarantine: (note) => notes.push(note),
  });
  const printed = await act(allThreads(store)).catch((thrown) => thrown);
  if (notes.length > 0) throw new ExaiError("CONFIG", notes.join("\n"));
  if (typeof printed !== "string") throw printed;
  return printed;
}

function limitsOf(settings: Settings) {
  return { timeoutMs: settings.conversationTimeoutMs, maxTurns: settings.maxConversationTurns };
}

async function list(
  store: ThreadAccess,
  _args: readonly string[],
  { json }: { json: boolean },
): Promise<string> {
  const threads = await store.list({ limit: MAX_THREADS });
  if (json) return visibleJson(threads, 2);
  if (threads.length === 0) {
    return "There are no threads; CONVERSATION_TIMEOUT_HOURS says how long one is kept.";
  }
  const rows = threads.map(({ id, tool, turns, usedAtMs, expiresAtMs, title }) => [
    id,
    tool,
    turns,
    formatLocalTime(usedAtMs, "minute"),
    formatLocalTime(expiresAtMs, "minute"),
    title,
  ]);
  return formatTable(["THREAD", "TOOL", "EXCHANGES", "LAST USED", "EXPIRES", "ABOUT"], rows);
}

async function show(
  store: ThreadAccess,
  args: readonly string[],
  { json }: { json: boolean },
): Promise<string> {
  const [id] = await resolveIds(store, args, { word: "show", exactly: 1 });
  return print(await showAll(store, [id!]), { json });
}

async function remove(store: ThreadAccess, args: readonly string[]): Promise<string> {
  const ids = await resolveIds(store, args, { word: "delete" });
  for (const id of ids) await store.delete(id);
  return ids.map((id) => `deleted ${id}`).join("\n");
}

async function exportThreads(
  store: ThreadAccess,
  args: readonly string[],
  { json }: { json: boolean },
): Promise<string> {
  if (args.length > 0) {
    return print(await showAll(store, await resolveIds(store, args, { word: "export" })), { json });
  }
  const all = await store.list({ limit: MAX_THREADS });
  const left: ThreadWithTurns[] = [];
  for (const { id } of all) left.push(...await showIfThere(store, id));
  return print(left, { json });
}

/** A thread that was listed may have been deleted, or have expired, before it is read. */
async function showIfThere(store: ThreadAccess, id: string): Promise<ThreadWithTurns[]> {
  try {
    return [await store.show(id)];
  } catch (thrown) {
    if (thrown instanceof ExaiError && thrown.code === "RESOURCE_NOT_FOUND") return [];
    throw thrown;
  }
}

async function showAll(store: ThreadAccess, ids: readonly string[]): Promise<ThreadWithTurns[]> {
  const threads: ThreadWithTurns[] = [];
  for (const id of ids) threads.push(await store.show(id));
  return threads;
}

/** Threads in full: as Markdown to read, or as JSON to keep. */
function print(threads: readonly ThreadWithTurns[], { json }: { json: boolean }): string {
  if (json) {
    return visibleJson(threads.map(({ thread, turns }) => ({ ...thread, exchanges: turns })), 2);
  }
  return threads.map(({ thread, turns }) => writeTranscript(thread, turns)).join("\n");
}

/** The full ids for `args`, each of which may be the beginning of an id. */
async function resolveIds(
  store: ThreadAccess,
  args: readonly string[],
  { word, exactly }: { word: string; exactly?: number },
): Promise<string[]> {
  if (args.length === 0 || (exactly !== undefined && args.length !== exactly)) {
    throw new ExaiError(
      "CONFIG",
      `threads ${word} needs ${exactly === 1 ? "one thread" : "a thread"}; ${
        usageOf("threads", threadsCommand)
      }`,
    );
  }
  const threads = await store.list({ limit: MAX_THREADS });
  return args.map((arg) => resolveId(arg, threads));
}

function resolveId(arg: string, threads: readonly Thread[]): string {
  const found = threads.filter(({ id }) =>
    id === arg || (arg.length >= MIN_PREFIX_CHARS && id.startsWith(arg))
  );
  if (found.length === 1) return found[0]!.id;
  if (found.length > 1) {
    throw new ExaiError(
      "CONFIG",
      `${found.length} threads begin with ${quoteName(arg)}; give more of the id`,
    );
  }
  throw new ExaiError(
    "RESOURCE_NOT_FOUND",
    `there is no thread ${quoteName(arg)}, or it has expired; exai-daemon threads lists them`,
  );
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound) return false;
    throw thrown;
  }
}

/** The threads of the running daemon, over its HTTP routes. */
function threadsOfDaemon(settings: Settings): ThreadAccess {
  const withId = (path: string, id: string) => `${path}?${new URLSearchParams({ id })}`;
  return {
    list: async () => (await askDaemon(settings, "/threads")).threads as unknown as Thread[],
    show: async (id) => {
      const { thread, turns } = await askDaemon(settings, withId("/threads/show", id));
      return { thread: thread as unknown as Thread, turns: turns as unknown as Turn[] };
    },
    delete: async (id) => (await askDaemon(settings, withId("/threads/delete", id), "POST")).deleted === true,
  };
}
