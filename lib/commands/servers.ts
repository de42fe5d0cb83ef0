import type { CommandGroup } from "./command.ts";
import { addServer } from "./server_actions/add.ts";
import { disableServers, enableServers, removeServers } from "./server_actions/change.ts";
import { listServers } from "./server_actions/list.ts";
import { parkServer, restartServer, stopServer } from "./server_actions/processes.ts";
import { testServers } from "./server_actions/test.ts";

export const serversCommand: CommandGroup = {
  summary: "Add, remove, list, test or switch the servers of mcp.json; restart, park or stop them",
  about: [
    "mcp.json is changed in place: comments, order, line ends and mode stay, and a link stays one. A daemon that runs takes " +
    "a change over at once.",
  ],
  actions: {
    list: listServers,
    add: addServer,
    remove: removeServers,
    test: testServers,
    enable: enableServers,
    disable: disableServers,
    restart: restartServer,
    park: parkServer,
    stop: stopServer,
  },
  fallback: "list",
};
