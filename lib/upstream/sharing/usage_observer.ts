import { getLogger } from "@logtape/logtape";
import { join } from "@std/path/join";
import { isWithin } from "../../base/directories.ts";
import { monotonicNow } from "../../base/time.ts";
import { MINUTE_MS, SECOND_MS } from "../../base/units.ts";
import { whyNoWorkspace } from "../../config/shared_directories.ts";
import type { Call } from "../../call/call.ts";
import type { DirectoryWatch } from "../../process/directory_watch.ts";
import type { TreeFiles } from "../../process/held_files.ts";
import { rawResult } from "../../wire/raw_message.ts";
import type { Result } from "../../wire/rpc.ts";
import type { ServerEvidence } from "./evidence.ts";
import { mentionsAny, mentionsRelativePath, possiblePaths, textsIn, textsOf } from "./mentioned_paths.ts";
import type { ListCache } from "../lists/list_cache.ts";
import { type WatchedDirectories, watchedIn, watchOwnScans } from "./watched_directories.ts";

const log = getLogger(["exai", "upstream"]);

/** The first calls of a process, whose arguments and answers are looked at. */
const INSPECTED_CALLS = 32;

/** Workspaces remembered of one server. */
const MAX_WORKSPACES = 32;

/**
 * Calls after which a process is looked at; later once in {@linkcode LOOK_MS}. Calls that come faster than it can be
 * looked at put a look off, and none is left out: a server that is called in bursts would never be seen at work.
 */
const LOOKED_AT = [1, 2, 4, 8, 16, 20, 32];
const LOOK_MS = MINUTE_MS;

/** Calls during which its directory is watched: not the first one, before which no directory is known. */
const WATCHED_AT = LOOKED_AT.slice(1);

/** How long the directories found in a workspace count as all that are there. */
const SCAN_MS = 10 * SECOND_MS;

/** A process has started and filled its caches by this call: what it writes later is a state. */
const SETTLED_CALLS = 4;

/** Files that a program keeps for itself, and that mean nothing to who calls it. */
const OWN_FILES = /(^|\/)(\.cache|caches?|\.npm|_cacache|\.deno|logs?)\/|\.(log(\.\d+)?|lock)$/i;

/** What is opened in a longer call says nothing: others work in the directory too. */
const WATCHED_MS = 2 * SECOND_MS;

/** Shows what processes do with files; each undefined where the system does not. */
export interface ProcessInspector {
  /** What a process and its descendants hold open. */
  files(pid: number): Promise<TreeFiles | undefined>;
  /** Notices what is opened in directories. */
  watchOpens(directories: readonly string[]): DirectoryWatch | undefined;
}

/** The part of a running server that is looked at. */
interface ObservedServer {
  readonly pid: number | undefined;
  readonly lists: Pick<ListCache, "known">;
}

interface UsageObserverOptions {
  /** Real path of the directory the process runs in. */
  workspace: string | undefined;
  /** Undefined: its files cannot be seen, as those in a container. */
  inspector: ProcessInspector | undefined;
}

/** Observes one process of a server: counts its calls, and looks at it now and then, never while a call waits. */
export class UsageObserver {
  readonly #evidence: ServerEvidence;
  readonly #workspace: string | undefined;
  readonly #inspector: ProcessInspector | undefined;
  /** The workspace and what is below it, once they are known. */
  #directories: WatchedDirectories = { paths: [], areAll: false };
  #scannedAtMs = -Infinity;
  #watch: { opens: DirectoryWatch; scans: ReturnType<typeof watchOwnScans>; sinceMs: number } | undefined;
  /** Arguments that may be paths below the workspace. */
  readonly #candidates = new Set<string>();
  #calls = 0;
  #isLooking = false;
  #lookedAtMs = 0;
  /** Looks and watches begun. */
  #looks = 0;
  #watches = 0;
  /** Whether its files were looked at. */
  #wasSeen = false;
  #writtenBytes: number | undefined;

  constructor(evidence: ServerEvidence, { workspace, inspector }: UsageObserverOptions) {
    this.#evidence = evidence;
    this.#inspector = inspector;
    this.#workspace = isProject(workspace) ? workspace : undefined;
    this.#remember(this.#workspace);
  }

  /** A call begins on the running process: what is opened in its directory is noticed, for some of them. */
  begins(): void {
    if (this.#watch || this.#directories.paths.length === 0 || this.#evidence.hasSigns) return;
    if (!this.#isDue(WATCHED_AT[this.#watches], this.#calls + 1)) return;
    const opens = this.#inspector?.watchOpens(this.#directories.paths);
    if (!opens) return;
    this.#watches++;
    this.#watch = { opens, scans: watchOwnScans(), sinceMs: monotonicNow() };
  }

  /** The process has answered `call`. */
  answered(call: Call, result: Result, server: ObservedServer): void {
    this.#evidence.called();
    const calls = ++this.#calls;
    const isDue = !this.#isLooking && this.#isDue(LOOKED_AT[this.#looks], calls);
    this.#endWatch();
    if (calls > INSPECTED_CALLS && !isDue) return;
    this.#remember(call.caller.cwd);
    if (!this.#evidence.hasSigns) this.#inspectCall(call, result);
    if (isDue) void this.#tryToLook(server);
  }

  /** The server has asked its client for something. */
  asked(capability: string): void {
    if (capability === "roots" || capability === "sampling" || capability === "elicitation") {
      this.#evidence.addSign(capability, `asked for ${capability}`);
    }
  }

  /** The process has ended, or is about to. */
  ended(): void {
    this.#endWatch();
    if (this.#calls > 0) this.#evidence.save();
  }

  /** @param from the call from which on it is; undefined: once in {@linkcode LOOK_MS} */
  #isDue(from: number | undefined, calls: number): boolean {
    return from === undefined ? monotonicNow() - this.#lookedAtMs >= LOOK_MS : calls >= from;
  }

  #endWatch(): void {
    if (!this.#watch) return;
    const { opens, scans, sinceMs } = this.#watch;
    this.#watch = undefined;
    const opened = opens.opened() ?? (opens.isListed && scans.sawNone() ? "a folder" : undefined);
    opens[Symbol.dispose]();
    const isTelling = opened === undefined ? this.#directories.areAll : monotonicNow() - sinceMs < WATCHED_MS;
    if (isTelling) this.#evidence.watched(opened);
  }

  #remember(workspace: string | undefined): void {
    const { workspaces } = this.#evidence;
    if (isProject(workspace) && workspaces.size < MAX_WORKSPACES) workspaces.add(workspace);
  }

  #inspectCall(call: Call, result: Result): void {
    const { workspaces } = this.#evidence;
    const args = [
      ...call.body ? textsIn(call.body.textOf("arguments") ?? "") : textsOf(call.params.arguments),
    ];
    if (mentionsAny(args, workspaces)) {
      this.#evidence.addSign("paths", "was called with a path below its directory");
    } else if (mentionsAny(answerTexts(result), workspaces)) {
      this.#evidence.addSign("paths", "answered with a path below its directory");
    } else if (mentionsRelativePath(args)) {
      this.#evidence.addSign("paths", "was called with a relative path");
    } else {
      for (const path of possiblePaths(args)) this.#candidates.add(path);
    }
  }

  async #tryToLook(server: ObservedServer): Promise<void> {
    this.#isLooking = true;
    this.#looks++;
    this.#lookedAtMs = monotonicNow();
    try {
      await this.#look(server);
    } catch (thrown) {
      log.debug("a process could not be looked at: {thrown}", { thrown });
    } finally {
      this.#isLooking = false;
    }
  }

  async #look(server: ObservedServer): Promise<void> {
    const workspace = this.#workspace;
    const calls = this.#calls;
    const tools = await server.lists.known("tools");
    if (tools) this.#evidence.listed(workspace ?? "", tools);
    if (!this.#evidence.hasSigns) await this.#lookAtFiles(server, { workspace, calls });
  }

  async #lookAtFiles(
    { pid }: ObservedServer,
    { workspace, calls }: { workspace: string | undefined; calls: number },
  ): Promise<void> {
    if (workspace !== undefined) await this.#checkCandidates(workspace);
    if (workspace !== undefined && this.#inspector) await this.#scan(workspace);
    const files = pid === undefined ? undefined : await this.#inspector?.files(pid);
    if (files) this.#lookedAt(files, calls);
    if (!files || workspace === undefined) return;
    this.#evidence.observed(workspace, !this.#wasSeen);
    this.#wasSeen = true;
  }

  async #scan(workspace: string): Promise<void> {
    if (monotonicNow() - this.#scannedAtMs < SCAN_MS) return;
    this.#scannedAtMs = monotonicNow();
    this.#directories = await watchedIn(workspace);
  }

  #lookedAt({ files, writtenBytes }: TreeFiles, calls: number): void {
    const workspace = this.#workspace;
    for (const { path, isWritable } of files) {
      if (workspace !== undefined && isWithin(path, workspace)) {
        this.#evidence.addSign("files", `holds ${path} open`);
      } else if (isWritable && !OWN_FILES.test(path)) {
        this.#evidence.addSign("writes", `keeps ${path} open for writing`);
      }
    }
    const before = this.#writtenBytes;
    this.#writtenBytes = writtenBytes;
    if (before !== undefined && calls > SETTLED_CALLS && writtenBytes > before) {
      this.#evidence.wroteBetweenCalls();
    }
  }

  async #checkCandidates(workspace: string): Promise<void> {
    const paths = [...this.#candidates];
    this.#candidates.clear();
    const found = await Promise.all(
      paths.map((path) => Deno.lstat(join(workspace, path)).then(() => true, () => false)),
    );
    if (found.includes(true)) {
      this.#evidence.addSign("paths", "was called with a path of its directory");
    }
  }
}

function answerTexts(result: Result): string[] {
  const raw = rawResult(result);
  return [...raw ? textsIn(raw.body?.text ?? "") : textsOf(result.result)];
}

/** Whether `workspace` is a directory that somebody works in: everything lies below the root and the home directory. */
function isProject(workspace: string | undefined): workspace is string {
  return workspace !== undefined && whyNoWorkspace(workspace) === undefined;
}
