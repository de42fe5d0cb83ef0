import { CLIENTS } from "../adopt/clients.ts";
import type { Action } from "./command.ts";

export const adoptCommand: Action = {
  summary: "Take over the MCP servers of your editors and agents, and point these at EXAI",
  about: [
    "Finds the configurations of the clients on this machine and in this directory, imports their servers into " +
    "mcp.json, and puts exai-shim in their place. It shows every change and asks before it writes; what it " +
    "changes is copied first. The servers are started then, by the daemon, so that their tools are known before " +
    "a client asks.",
    "A client that decides something by the names of servers or of their tools (permissions, allow-lists) keeps " +
    "one entry for each server, under the same name; any other gets one entry for all.",
  ],
  forms: [
    { args: "", does: "shows what would change and asks whether to do it" },
    { args: "--undo", does: "makes every file as it was before the last adoption" },
  ],
  flags: [
    { name: "dry-run", help: "Only show what would change" },
    { name: "yes", help: "Do it without a question" },
    {
      name: "client",
      value: "ID",
      completions: CLIENTS.map(({ id }) => id),
      help: "Only this client, such as cursor; may stand several times",
    },
    { name: "undo", help: "Take the last adoption back; again: the one before" },
    {
      name: "project",
      value: "DIR",
      help: "Look at the files of this project; the current directory if not given",
    },
    { name: "no-test", help: "Do not start the imported servers to see whether they answer" },
    { name: "user-only", help: "Leave what is for single projects where it is" },
    { name: "tracked", help: "Change files of a project that git tracks too" },
    { name: "per-server", help: "Give every client one entry for each server, under its own name" },
    { name: "http", help: "Point clients that take a URL at the daemon's address in place of exai-shim" },
    {
      name: "windows-home",
      value: "DIR",
      help: "In WSL: adopt the clients of this Windows user too, such as /mnt/c/Users/me",
    },
  ],
  exits: { 1: "a file could not be changed, or nobody agreed to the changes" },
  // The parsers of other languages are loaded for nothing else.
  run: async (invocation) => await (await import("./adopt_run.ts")).adopt(invocation),
};
