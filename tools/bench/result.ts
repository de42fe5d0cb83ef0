import type { Role, Shape } from "./subject.ts";

/** What was measured of one subject. */
export interface SubjectResult {
  name: string;
  role: Role;
  /** Why it could not be measured at all. */
  unavailable?: string;
  windows?: WindowsResult;
  loads: LoadResult[];
}

/** What windows cost before they do anything. Memory is of every process of the subject, in MiB. */
export interface WindowsResult {
  /** From the start of a window's process to the answer to its `initialize`, one for each window started. */
  initializeMs: number[];
  oneWindowMib?: number;
  allWindowsMib?: number;
  /** What the second to the last window add, each after one call and after some hundred. */
  addedPerWindowMib?: number;
  addedAfterUseMib?: number;
  /** Processor time of all processes at rest, in percent of one core. */
  idlePercent?: number;
}

/** The figures of a subject for one workload. */
export interface LoadResult {
  shape: Shape;
  /** Why numbers are missing or incomplete. */
  failure?: string;
  calls: number;
  p50Ms: number;
  p99Ms: number;
  callsPerSecond: number;
  /** The same for each round, to see how steady they were. */
  rounds: number[];
  /** Processor time of all processes of the subject, the client's not counted. */
  cpuUsPerCall?: number;
}
