import type { ServerConfig } from "../base/server_config.ts";
import type { JsonObject } from "../base/json.ts";
import type { Caller } from "../call/call.ts";
import type { Instance } from "./instance.ts";
import type { Leases } from "./leases.ts";
import { decideShare } from "./share_key.ts";
import type { Slot } from "./slot.ts";

/** Leads what a client says of its own accord to the processes of one mounted server that are to hear it. */
export class ClientNotices {
  readonly #config: ServerConfig;
  readonly #leases: Leases;
  readonly #slots: () => Iterable<Slot>;

  /** `slots`: all there are, those of its configurations of before among them. */
  constructor(config: ServerConfig, leases: Leases, slots: () => Iterable<Slot>) {
    this.#config = config;
    this.#leases = leases;
    this.#slots = slots;
  }

  pass(caller: Caller, method: string, params: JsonObject): void {
    switch (method) {
      case "notifications/roots/list_changed":
        return this.#rootsChanged(caller, method, params);
      case "notifications/tasks/status":
        // The session may have moved on from the process it runs the task for.
        for (const { instance } of this.#slots()) {
          instance.then((its) => its.notify(caller, method, params), () => {});
        }
        return;
      default:
        return this.onInstanceOf(caller, (instance) => instance.notify(caller, method, params));
    }
  }

  /** Does something on the instance a session is attached to, if it is to any. */
  onInstanceOf(caller: Caller, act: (instance: Instance) => unknown): void {
    this.#leases.current(caller)?.then(async (slot) => await act(await slot.instance)).catch(() => {});
  }

  /** Where a session's roots are part of what it shares, other roots mean another process; the others stay put. */
  #rootsChanged(caller: Caller, method: string, params: JsonObject): void {
    this.#leases.current(caller)?.then(async (slot) => {
      if (slot.scope === "machine") return;
      // The copy a window has of what is one for each directory is as much in a directory as what it is a copy of.
      const isOwn = slot.scope === "session" && decideShare(this.#config).scope !== "project";
      if (isOwn) return (await slot.instance).notify(caller, method, params);
      this.#leases.move(caller, slot);
    }).catch(() => {});
  }
}
