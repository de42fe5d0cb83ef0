import { ExaiError, UsageError } from "../base/errors.ts";
import { quoteName } from "../base/text.ts";
import { type StatePaths, statePaths } from "../config/paths.ts";
import type { Settings } from "../config/settings.ts";
import { openThreadStore } from "../state/sqlite_thread_store.ts";
import type { Thread, ThreadWithTurns, Turn } from "../state/thread_store.ts";
import { writeTranscript } from "../state/transcript.ts";
import { askDaemon } from "../client/daemon_client.ts";
import { accessHome } from "./home_access.ts";
import type { Action, CommandGroup, CommandResult, Invocation } from "./command.ts";
import { formatLocalTime, formatTable } from "./table.ts";
import { allThreads, MAX_THREADS, type ThreadAccess } from "../admin/thread_routes.ts";

/** The shortest prefix accepted as an id. */
const MIN_PREFIX_CHARS = 4;

type ThreadAction = (store: ThreadAccess, args: readonly string[]) => Promise<CommandResult>;

export const threadsCommand: CommandGroup = {
  summary: "List, show, delete or export threads of every workspace",
  fallback: "list",
  actions: {
    list: threadCommand(list, "List the threads of every workspace", {
      args: "",
      does: "the threads of every workspace, those used last first; the same without `list`",
    }),
    show: threadCommand(show, "Show one thread in full", { args: "ID", does: "one thread in full" }),
    delete: threadCommand(remove, "Delete threads", { args: "ID...", does: "deletes threads" }),
    export: threadCommand(exportThreads, "Export threads as Markdown or JSON", {
      args: "[ID...]",
      does: "all threads, or those named, as Markdown or with `--json` as JSON",
    }),
  },
};

function threadCommand(act: ThreadAction, summary: string, form: Action["forms"][number]): Action {
  return { summary, forms: [form], run: (invocation) => threads(act, invocation) };
}

/**
 * Goes through the daemon, or to the database itself while none runs.
 *
 * @throws {UsageError} for an ambiguous id
 * @throws {ExaiError} `RESOURCE_NOT_FOUND`
 */
async function threads(act: ThreadAction, { args, settings }: Invocation): Promise<CommandResult> {
  // Without a database there are no threads; reading must not create one.
  if (!await exists(statePaths(settings).database)) {
    using none = openThreadStore(limitsOf(settings));
    return await act(allThreads(none), args);
  }
  return await accessHome(settings, {
    ask: () => act(threadsOfDaemon(settings), args),
    alone: (paths) => onDatabase(settings, paths, (store) => act(store, args)),
  });
}

/** @throws {ExaiError} `CONFIG` when the database could not be read and was moved aside */
async function onDatabase(
  settings: Settings,
  { database }: StatePaths,
  act: (threads: ThreadAccess) => Promise<CommandResult>,
): Promise<CommandResult> {
  const notes: string[] = [];
  using store = openThreadStore({
    ...limitsOf(settings),
    path: database,
    onQuarantine: (note) => notes.push(note),
  });
  const [done] = await Promise.allSettled([act(allThreads(store))]);
  if (notes.length > 0) throw new ExaiError("CONFIG", notes.join("\n"));
  if (done.status === "rejected") throw done.reason;
  return done.value;
}

function limitsOf(settings: Settings) {
  return { timeoutMs: settings.conversationTimeoutMs, maxTurns: settings.maxConversationTurns };
}

async function list(store: ThreadAccess): Promise<CommandResult> {
  const threads = await store.list({ limit: MAX_THREADS });
  if (threads.length === 0) {
    return {
      text: "There are no threads; CONVERSATION_TIMEOUT_HOURS says how long one is kept.",
      json: threads,
    };
  }
  const rows = threads.map(({ id, tool, turns, usedAtMs, expiresAtMs, title }) => [
    id,
    tool,
    turns,
    formatLocalTime(usedAtMs, "minute"),
    formatLocalTime(expiresAtMs, "minute"),
    title,
  ]);
  const text = formatTable(["THREAD", "TOOL", "EXCHANGES", "LAST USED", "EXPIRES", "ABOUT"], rows);
  return { text, json: threads };
}

async function show(store: ThreadAccess, args: readonly string[]): Promise<CommandResult> {
  const [id] = await resolveIds(store, args, "show");
  return written(await showAll(store, [id!]));
}

async function remove(store: ThreadAccess, args: readonly string[]): Promise<CommandResult> {
  const ids = await resolveIds(store, args, "delete");
  for (const id of ids) await store.delete(id);
  return { text: ids.map((id) => `deleted ${id}`).join("\n"), json: { deleted: ids } };
}

/** All threads, or those with the ids `args`. */
export async function exportThreads(store: ThreadAccess, args: readonly string[]): Promise<CommandResult> {
  if (args.length > 0) return written(await showAll(store, await resolveIds(store, args, "export")));
  const all = await store.list({ limit: MAX_THREADS });
  const left: ThreadWithTurns[] = [];
  for (const { id } of all) left.push(...await showIfThere(store, id));
  return written(left);
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
function written(threads: readonly ThreadWithTurns[]): CommandResult {
  return {
    text: threads.map(({ thread, turns }) => writeTranscript(thread, turns)).join("\n"),
    json: threads.map(({ thread, turns }) => ({ ...thread, exchanges: turns })),
  };
}

/** The full ids for `args`, each of which may be the beginning of an id. */
async function resolveIds(store: ThreadAccess, args: readonly string[], word: string): Promise<string[]> {
  if (args.length === 0) {
    throw new UsageError(`threads ${word} needs the id of a thread; exai-daemon threads lists them`);
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
    throw new UsageError(
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
