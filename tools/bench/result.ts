import type { NumberChecks } from "./numbers.ts";
import type { Role, Shape, StartMs } from "./subject.ts";

/** What was measured of one subject. Each part of the bench fills in its own. */
export interface SubjectResult {
  name: string;
  role: Role;
  /** Measured as users run it: bundled or compiled. */
  isBuilt?: boolean;
  /** Why it could not be measured, or not to the end. */
  unavailable?: string;
  start?: StartResult;
  windows?: WindowsResult;
  crowd?: CrowdResult;
  loads?: LoadResult[];
  numbers?: NumberChecks;
}

/** From the start of a window's process, each start a value. */
export interface StartResult {
  /** With what windows share running. */
  warm: StartMs[];
  /** With nothing running: what windows share is started too. */
  cold: StartMs[];
}

/** What windows cost before they do anything. Memory is of every process of the subject, in MiB. */
export interface WindowsResult {
  oneWindowMib?: number;
  allWindowsMib?: number;
  /** What the second to the last window add, each after one call and after some hundred. */
  addedPerWindowMib?: number;
  addedAfterUseMib?: number;
  /** Processor time of all processes at rest, in percent of one core. */
  idlePercent?: number;
}

/** Many windows at rest, and what they share. */
export interface CrowdResult {
  windows: number;
  /** Percent of a core: the processes of the windows, that which they share, and the servers below it. */
  windowsPercent?: number;
  sharedPercent?: number;
  serversPercent?: number;
  /** Memory of the shared process, with all windows and with one, and of one window's processes. */
  sharedMib?: number;
  sharedAloneMib?: number;
  windowMib?: number;
}

/** Microseconds of the processor that a call takes. */
export interface CpuPerCall {
  /** Of every process of the subject; the client's own is not counted. */
  allUs: number;
  /** Of the processes of the windows. */
  windowsUs: number;
  /** Of the process that windows share, without the servers below it. */
  sharedUs: number;
}

/** The figures of a subject for one workload, each the median of its rounds. */
export interface LoadResult {
  shape: Shape;
  /** Why numbers are missing or incomplete. */
  failure?: string;
  calls: number;
  p50Ms: number;
  p99Ms: number;
  callsPerSecond: number;
  /** Calls a second in each round, to see how steady they were. */
  rounds: number[];
  cpu?: CpuPerCall;
  /** How far the memory of the shared process (RSS) rose above what it had at rest: in one call, and at most. */
  firstCallRssBytes?: number;
  peakRssBytes?: number;
}

/** What was measured of a workload, if that did not fail. */
export function loadOf({ loads = [] }: SubjectResult, wanted: Shape): LoadResult | undefined {
  return loads.find(({ shape, failure }) =>
    shape.windows === wanted.windows && shape.inflight === wanted.inflight &&
    shape.payloadBytes === wanted.payloadBytes && failure === undefined
  );
}
