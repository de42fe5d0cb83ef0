import type { Caller } from "../call/call.ts";
import type { ListKind } from "../call/server.ts";
import type { Instance } from "./instance/instance.ts";
import type { ListStore } from "./list_store.ts";
import type { ProbeQueue } from "./lists/probe_queue.ts";
import type { AdmissionFactory, ProcessEventListener } from "./process_records.ts";
import type { ListScope } from "./share_key.ts";
import type { SharingObserver } from "./sharing/decide_share.ts";
import type { Slot } from "./slot.ts";
import type { InstanceStartOptions } from "./start_instance.ts";

/** What a mounted server is made with. */
export interface MountedServerOptions extends Omit<PoolOptions, "name" | "eras"> {
  /** Keeps lists across restarts of the daemon. */
  lists?: ListStore;
  /** Bounds the servers that are started at once only to read their lists. */
  probes?: ProbeQueue;
}

/** What a pool is made with. */
export interface PoolOptions extends InstanceStartOptions {
  name: string;
  /** Decides when calls may run on each process; left out: at once. */
  admissionFor?: AdmissionFactory;
  /** Identifies this daemon to what it mounts. */
  daemonId?: string;
  /** Learns how far the server may be shared; undefined: that is decided. */
  sharing?: SharingObserver;
  /** Called when some of the server's lists have changed. */
  onListChanged(kinds: readonly ListKind[]): void;
  /** Called when a process of the server fails or shows that it works. */
  onProcessEvent?: ProcessEventListener;
}

/** What a pool reports of its slots. */
export interface PoolListener {
  /** The instance of `slot` has ended or is being stopped; `isBroken`: it failed or lost its connection. */
  onSlotLost(slot: Slot, isBroken: boolean): void;
  onStarted(slot: Slot, instance: Instance): void;
  /** An instance has announced that its lists changed; the sessions attached to it have been notified. */
  onListsStale(kinds: readonly ListKind[], scope: ListScope): void;
  /** The server of `slot` has sent a request to a session. */
  onQuestion(slot: Slot): void;
  /** The server of `slot` has asked for the roots its sessions share. */
  onRootsAsked(slot: Slot): void;
  /** The server of `slot` has ended a subscription that its session still wants. */
  onSubscriptionLost(slot: Slot, lost: { caller: Caller; uri: string; why: string }): void;
}
