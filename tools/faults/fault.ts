import type { Load } from "../load/load.ts";
import type { Rig } from "../load/rig.ts";
import type { CallOptions, LoadWindow } from "../load/window.ts";
import type { Gate } from "./gate.ts";
import type { ThreadKeeper } from "./threads.ts";

/** What a fault can act on. */
export interface Scene {
  rig: Rig;
  /** Between shims and daemon; only there when the fault asks for it. */
  gate: Gate;
  windows: readonly LoadWindow[];
  load: Load;
  /** Only there when the fault asks for it. */
  threads?: ThreadKeeper;
  /** Compares the threads the product shows with the expected ones; differences go into the account. */
  checkThreads(): Promise<void>;
  /** From 0 to 1, the same for the same seed. */
  random: () => number;
}

/** One kind of fault. */
export interface Fault {
  name: string;
  /** Settings of daemon and shims. */
  env?: Readonly<Record<string, string>>;
  /** Whether the shims reach the daemon through the gate, and so through its address. */
  gate?: boolean;
  /** Whether the shims start the daemon. */
  autostart?: boolean;
  /** Whether threads grow under the load. */
  threads?: boolean;
  /** Makes the state directory where it must be a special one. @throws {Unavailable} */
  makeHome?(): Promise<string>;
  /** Put before the daemon's command line. @throws {Unavailable} */
  prefix?(): Promise<readonly string[]>;
  /** How calls are made, where it matters. */
  nextCall?(random: () => number): CallOptions;
  /** Injects the fault, and undoes it where the product does not recover by itself. `n` counts from 0. */
  harm(scene: Scene, n: number): Promise<void>;
}

/** A fault that cannot be made on this machine; the message says why. */
export class Unavailable extends Error {}
