import data from "./known_servers.json" with { type: "json" };

/** How far a server is shared where the user leaves that to `auto`, and why. */
export interface KnownSharing {
  share: "machine" | "project" | "session";
  /** What state it keeps, what its directory means to it, or why one process can serve all; shown by `ps --why`. */
  why: string;
  /** Whether no second process may run beside a shared one, as two overwrite what the other keeps. */
  exclusive?: boolean;
  /** Calls one process may run at once, where calls that overlap overwrite what the other wrote. */
  maxInflight?: number;
}

/** A server of `known_servers.json`, by the exact names it is started by. */
export interface KnownServer extends KnownSharing {
  /** What people call it. */
  title: string;
  /** Packages of the npm registry. */
  npm?: readonly string[];
  /** Packages of PyPI; each is the name of its module and its program too. */
  pypi?: readonly string[];
  /** Container images, without tag. */
  image?: readonly string[];
  /** Programs it is installed as, where these are not named like an unscoped package. */
  program?: readonly string[];
  /** Last folders of a path its script lies below: where it is in a repository of several servers. */
  folder?: readonly string[];
  /** Repositories, as `owner/name`. */
  repo?: readonly string[];
  /** Hosts of URLs; `*.` stands for any name before. */
  host?: readonly string[];
  /** Whether what it does depends on the directory it runs in, or on the roots it is told. */
  cwd: boolean;
  /** What relative paths in its settings are relative to; omitted: its working directory. */
  relativePaths?: "package";
  /** Whether it was read in the server's code, or is what its documentation and its users say. */
  basis: "code" | "general";
}

/** What the name of a server in no table says about it. */
interface TellingWords extends KnownSharing {
  /**
   * Words of a package, program, script directory or image, without scope, version and tag. They are compared word by
   * word, so that `mcp-server-playwright` and `playwright-mcp` both match `playwright`.
   */
  words: readonly string[];
  /** Whether the whole name must match, as another server has a similar name. */
  isExact?: boolean;
}

interface KnownServersFile {
  servers: readonly KnownServer[];
  words: readonly TellingWords[];
}

/** Widely used servers, and words by which unknown ones that keep state of one user are recognized. */
export const { servers: KNOWN_SERVERS, words: TELLING_WORDS } = data as KnownServersFile;
