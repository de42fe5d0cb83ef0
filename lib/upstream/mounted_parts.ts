import type { ServerConfig } from "../config/server_config.ts";
import { EraMemory } from "./era_memory.ts";
import { Leases } from "./leases.ts";
import { ServerLists } from "./lists/server_lists.ts";
import { ShownLists } from "./lists/shown_lists.ts";
import { ToolFilter } from "./lists/tool_filter.ts";
import { Pool } from "./pool.ts";
import type { MountedServerOptions } from "./server_options.ts";

/** What one server of the configuration is made of. */
interface MountedParts {
  pool: Pool;
  leases: Leases;
  tools: ToolFilter;
  lists: ServerLists;
}

/** The parts of one mounted server, each told what happens in the others. */
export function mountedParts(config: ServerConfig, options: MountedServerOptions): MountedParts {
  const { lists: store, probes, ...rest } = options;
  const own = { name: config.name, eras: new EraMemory(config, store) };
  const pool = new Pool({ ...rest, ...own }, {
    onSlotLost: (slot, isBroken) => leases.slotLost(slot, isBroken),
    onStarted: (slot, instance) => lists.instanceStarted(slot, instance),
    onListsStale: (kinds, scope) => lists.listsStale(kinds, scope),
    onQuestion: (slot) => lists.capabilitiesUsed(slot),
    onRootsAsked: (slot) => lists.rootsAsked(slot),
    onSubscriptionLost: (slot, lost) => leases.subscriptionLost(slot, lost),
  });
  const leases: Leases = new Leases(config, pool, {
    asksRoots: () => lists.asksRoots,
    onScopeKnown: (caller, scope) => lists.scopeKnown(caller, scope),
  });
  const tools = new ToolFilter(config.tools);
  const shown = new ShownLists(config.name, tools);
  const lists: ServerLists = new ServerLists(config, { leases, pool, shown, store, probes });
  return { pool, leases, tools, lists };
}
