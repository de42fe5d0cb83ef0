import type { Command } from "../lib/spawned.ts";

/** A workload: the number of windows, of calls in flight in each, and the size of each call. */
export interface Shape {
  windows: number;
  inflight: number;
  /** Text that each call sends and gets back; undefined for the smallest call there is. */
  payloadBytes?: number;
}

/** One call, done again and again. Rejects when its answer is an error or not the one expected. */
export type Exchange = () => Promise<void>;

/** How long a window took, from the start of its process to the answer. */
export interface StartMs {
  initialize: number;
  firstList: number;
  /** Whether the tool that is called was in that list. */
  isListed: boolean;
}

/** One client of the subject and what runs for it alone. */
export interface Window extends AsyncDisposable {
  /** Its own processes; each stands for all below it. */
  readonly roots: readonly number[];
  /** Undefined when it has no process of its own. */
  readonly startMs?: StartMs;
  exchange(payloadBytes: number | undefined): Exchange;
}

/** A subject that runs. */
export interface Fleet extends AsyncDisposable {
  /** The processes that all windows share; each stands for all below it. */
  readonly roots: readonly number[];
  /** What starts a window, for those who speak with it in another way than {@linkcode Window} does. */
  readonly window?: Command;
  openWindow(): Promise<Window>;
}

/** Starts a subject of which nothing runs. */
export interface ColdStart {
  /** Its first window; times count from the start of the first process. What was started ends with the window. */
  start(): Promise<Window>;
}

/** What a subject stands for in the comparison. `raw`, `own`, `mounted` and `eras` are EXAI. */
export type Role = "floor" | "raw" | "own" | "mounted" | "eras" | "direct" | "peer";

/** Something to measure. */
export interface Subject {
  readonly name: string;
  readonly role: Role;
  readonly shapes: readonly Shape[];
  /** Whether it is run as users run it: bundled or compiled. */
  readonly isBuilt?: boolean;
  /** Whether its start, its memory for each window and its rest are measured too. */
  readonly hasWindows: boolean;
  /** Whether it is measured with as many windows as a busy machine has. */
  readonly hasCrowd?: boolean;
  /**
   * @param server what it runs in place of the server everything is compared with
   * @throws {NotAvailable} when this machine or this state of the program does not have it
   */
  open(server?: Command): Promise<Fleet>;
  /** Where {@linkcode open} and a window are not what a user waits for. */
  prepareCold?(): Promise<ColdStart>;
}

/** A subject that cannot be measured here; the message says why. */
export class NotAvailable extends Error {}

/** `shape` for a table: "10 x 1, 100 KB". */
export function describeShape({ windows, inflight, payloadBytes }: Shape): string {
  const work = `${windows} x ${inflight}`;
  if (payloadBytes === undefined) return work;
  return `${work}, ${payloadBytes >= 1e6 ? `${payloadBytes / 1e6} MB` : `${payloadBytes / 1000} KB`}`;
}
