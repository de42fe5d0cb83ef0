import type { JsonObject } from "../../base/json.ts";
import { counted } from "../../base/text.ts";
import { visible } from "../../base/visible.ts";
import type { KnownSharing } from "../../config/known_servers.ts";
import type { ServerConfig } from "../../config/server_config.ts";
import type { EvidenceStore, StoredEvidence } from "../evidence_store.ts";
import { digestOf, serverIdentity } from "../server_identity.ts";
import { areAllReadOnly, changeHint, directoryHint, userStateHint } from "./tool_hints.ts";

/** Calls after which a server that nothing speaks against is shared by all windows. */
const ENOUGH_CALLS = 20;

/** During so many of them its directory must have been watched. */
const ENOUGH_WATCHED = 4;

/** So many directories, or processes one after another, must have been seen by then. */
const ENOUGH_PLACES = 2;

/** Directories told apart; more say nothing more. */
const MAX_DIRECTORIES = 16;

const MAX_DETAIL_CHARS = 200;

/** How often a server must have written between looks: a program may fill a cache once. */
const ENOUGH_WRITES = 2;

/** Calls in which a file of its directory must have been opened: other programs open files there too. */
const ENOUGH_OPENS = 2;

/** What speaks against sharing a server by all windows. */
type Sign =
  /** Its entry names the workspace. */
  | "entry"
  | "roots"
  | "sampling"
  | "elicitation"
  /** It holds a file below its directory open, or opens files there in its calls. */
  | "files"
  /** Arguments or answers of its calls name something below a workspace. */
  | "paths"
  /** It keeps a file open for writing, or writes to the disk between calls. */
  | "writes"
  /** A tool takes a directory to work in. */
  | "directory"
  /** Its tools are others in another directory. */
  | "lists"
  /** Its tools work on a state of one user. */
  | "state"
  /** Its tools may change what the next call does. */
  | "changes";

/**
 * What was observed of one server in no table, from which it is decided how far it is shared. A sign against sharing
 * is never forgotten; the absence of any counts only once enough was seen.
 */
export class ServerEvidence {
  readonly #digest: string;
  readonly #store: EvidenceStore | undefined;
  readonly #directories: Set<string>;
  readonly #signs: Map<string, string>;
  /** The workspaces seen since the daemon started; only digests of them are kept. */
  readonly workspaces = new Set<string>();
  /** The tools listed in each directory, as a digest. */
  readonly #tools = new Map<string, string>();
  #lastTools: readonly JsonObject[] | undefined;
  #isReadOnly = false;
  #calls: number;
  #runs: number;
  #watchedCalls: number;
  #writes = 0;
  #opens = 0;

  constructor(config: ServerConfig, store: EvidenceStore | undefined) {
    this.#digest = serverIdentity(config);
    this.#store = store;
    const kept = store?.get(this.#digest);
    this.#calls = kept?.calls ?? 0;
    this.#runs = kept?.runs ?? 0;
    this.#watchedCalls = kept?.watchedCalls ?? 0;
    this.#directories = new Set(kept?.directories);
    this.#signs = new Map(Object.entries(kept?.signs ?? {}));
  }

  /** How far the server is shared by what was seen of it, and why; undefined: nothing was seen. */
  get decision(): Pick<KnownSharing, "share" | "why"> | undefined {
    const state = this.#signs.get("state");
    if (state !== undefined) return { share: "session", why: `learned: ${state}` };
    const seen = `${counted(this.#calls, "call")}${placesOf(this.#directories.size, this.#runs)}`;
    const against = [...this.#signs.values()];
    if (against.length > 0) return { share: "project", why: `learned: ${against.join(", ")}; ${seen}` };
    if (this.#calls === 0) return undefined;
    const reads = this.#isReadOnly ? ", its tools only read" : "";
    const nothing = `${seen}, asked nothing, opened nothing below its directory${reads}`;
    if (this.#isEnough) {
      return { share: "machine", why: `learned: ${nothing}` };
    }
    return { share: "project", why: `not enough seen to share it by more than one directory: ${nothing}` };
  }

  get #isEnough(): boolean {
    const places = Math.max(this.#directories.size, this.#runs);
    return this.#calls >= ENOUGH_CALLS && this.#watchedCalls >= ENOUGH_WATCHED && places >= ENOUGH_PLACES;
  }

  /** Whether something speaks against sharing it: more of that changes nothing. */
  get hasSigns(): boolean {
    return this.#signs.size > 0;
  }

  /** One of its processes has answered a call. */
  called(): void {
    this.#calls++;
  }

  /** Something speaks against sharing it: `detail`, in a few words. */
  addSign(sign: Sign, detail: string): void {
    if (this.#signs.has(sign)) return;
    this.#signs.set(sign, visible(detail, MAX_DETAIL_CHARS));
    this.save();
  }

  /** Its directory was watched while a call ran; `opened`: a file that was opened there, which twice is no coincidence. */
  watched(opened: string | undefined): void {
    this.#watchedCalls++;
    if (opened === undefined) return;
    if (++this.#opens >= ENOUGH_OPENS) this.addSign("files", `opened ${opened} of its directory`);
  }

  /** It has written to the disk between two looks at a process. */
  wroteBetweenCalls(): void {
    if (++this.#writes >= ENOUGH_WRITES) this.addSign("writes", "wrote to the disk between calls");
  }

  /** The files of a process in `workspace` were looked at; `isFirst`: for the first time. */
  observed(workspace: string, isFirst: boolean): void {
    if (isFirst) this.#runs++;
    if (this.#directories.size < MAX_DIRECTORIES) this.#directories.add(digestOf(workspace).slice(0, 16));
    this.save();
  }

  /** A process in `workspace` has listed its tools. */
  listed(workspace: string, tools: readonly JsonObject[]): void {
    if (tools === this.#lastTools) return;
    this.#lastTools = tools;
    this.#isReadOnly = areAllReadOnly(tools);
    const state = userStateHint(tools);
    if (state !== undefined) this.addSign("state", state);
    const directory = directoryHint(tools);
    if (directory !== undefined) this.addSign("directory", directory);
    const change = changeHint(tools);
    if (change !== undefined) this.addSign("changes", change);
    const digest = digestOf(JSON.stringify(tools));
    if (this.#tools.values().some((other) => other !== digest) && !this.#tools.has(workspace)) {
      this.addSign("lists", "offered other tools in another directory");
    }
    if (this.#tools.size < MAX_DIRECTORIES) this.#tools.set(workspace, digest);
  }

  /** Keeps what was seen for the next daemon. */
  save(): void {
    const evidence: StoredEvidence = {
      calls: this.#calls,
      runs: this.#runs,
      watchedCalls: this.#watchedCalls,
      directories: [...this.#directories],
      signs: Object.fromEntries(this.#signs),
    };
    this.#store?.set(this.#digest, evidence);
  }
}

/** Where calls were seen from; empty where that was not noted, as something speaks against sharing anyway. */
function placesOf(directories: number, runs: number): string {
  if (directories === 0) return "";
  const seen = directories === 1 ? " from 1 directory" : ` from ${directories} directories`;
  return runs > directories ? `${seen} in ${counted(runs, "run")}` : seen;
}
