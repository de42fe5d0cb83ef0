import type { ServerConfig } from "../../config/server_config.ts";
import { hasWords, namesOfUrl, programNames } from "./program_names.ts";

/** How far a known server may be shared, and why. */
interface KnownServer {
  share: "machine" | "session";
  /** What state it keeps, or why one process must serve all sessions; shown by `ps --why`. */
  why: string;
  /**
   * Names of its package, program, script directory or container image, without scope, version and tag. They are compared
   * word by word, so that `mcp-server-playwright` and `playwright-mcp` both match `playwright`.
   */
  words: readonly string[];
  /** Whether no second process may be started beside the shared one, not even for a window that waits for it. */
  exclusive?: boolean;
  /** Whether the whole name must match, as another server has a similar name. */
  isExact?: boolean;
}

/**
 * Widely used servers that cannot be shared by the default rule, from their code or documentation. Any other server is
 * shared by the sessions of one directory.
 */
export const KNOWN_SERVERS: readonly KnownServer[] = [
  {
    share: "session",
    why: "it keeps the thoughts of one conversation in its process",
    words: ["sequential thinking", "sequentialthinking", "clear thought", "clearthought", "think tool"],
  },
  {
    share: "session",
    why: "it drives one browser with the pages and logins of one user",
    words: [
      "playwright",
      "puppeteer",
      "selenium",
      "webdriver",
      "chrome",
      "chromium",
      "devtools",
      "browser",
      "browsers",
      "browseruse",
      "browserbase",
      "browserless",
      "stagehand",
      "hyperbrowser",
      "computer use",
    ],
  },
  {
    share: "session",
    why: "it keeps open shells, sessions or connections of one user",
    words: [
      "ssh",
      "telnet",
      "shell",
      "shells",
      "bash",
      "zsh",
      "powershell",
      "terminal",
      "terminals",
      "iterm",
      "tmux",
      "pty",
      "desktop commander",
      "desktopcommander",
      "wcgw",
    ],
  },
  {
    share: "session",
    why: "it keeps an interpreter, a notebook or a sandbox of one user",
    words: [
      "repl",
      "jupyter",
      "ipython",
      "notebook",
      "notebooks",
      "e2b",
      "sandbox",
      "code interpreter",
      "code runner",
      "run python",
    ],
  },
  {
    share: "session",
    why: "it keeps a debugger or a debugged program of one user",
    words: ["debug", "debugger", "gdb", "lldb", "dap", "pdb", "delve", "x64dbg", "ghidra", "ida pro"],
  },
  {
    share: "session",
    why: "it keeps an active project and its language servers",
    words: ["serena", "lsp", "language server"],
  },
  {
    share: "session",
    why: "it keeps the context, connection or sandbox that one user has chosen",
    words: [
      "kubernetes",
      "kubectl",
      "k8s",
      "mongodb",
      "mongo",
      "trello",
      "cyanheads git",
      "ref tools",
      "repomix",
      "emulator",
      "appium",
    ],
  },
  {
    share: "session",
    why: "it holds one session with the server it leads to",
    words: ["mcp remote"],
  },
  {
    share: "machine",
    why: "two processes of it overwrite each other's memory file",
    exclusive: true,
    words: ["server memory", "mcp memory", "modelcontextprotocol server memory"],
    isExact: true,
  },
];

/** The entry of {@linkcode KNOWN_SERVERS} for the server that `config` starts or leads to. */
export function knownServer(config: ServerConfig): KnownServer | undefined {
  const names = config.kind === "stdio" ? programNames(config.command, config.args) : namesOfUrl(config.url);
  return KNOWN_SERVERS.find(({ words, isExact }) =>
    words.some((wanted) => names.some((name) => isExact ? name === wanted : hasWords(name, wanted)))
  );
}
