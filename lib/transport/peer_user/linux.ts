import { findInProc } from "./linux_proc.ts";
import { SocketDiag } from "./linux_sock_diag.ts";
import type { LinuxSocket, SocketOwner, SocketOwners, WantedSocket } from "./socket_owner.ts";

/** The uid shown for users that the namespace does not map. */
const OVERFLOW_UID = 65534;

const NO_ENTRY = 2;

export function openLinuxOwners(): SocketOwners {
  return new LinuxOwners(SocketDiag.open());
}

class LinuxOwners implements SocketOwners {
  readonly #diag: SocketDiag | undefined;
  /** Whether a lookup has ever succeeded: a kernel without socket diagnosis finds nothing. */
  #diagWorks = false;
  readonly #ownUid = trustedOwnUid();

  constructor(diag: SocketDiag | undefined) {
    this.#diag = diag;
  }

  find(wanted: WantedSocket): SocketOwner | undefined {
    const row = this.#row(wanted);
    if (!row || row.inode === 0) return undefined;
    const user = String(row.uid);
    // In a user namespace many users are shown under one uid.
    if (this.#ownUid === undefined) return { kind: "unknown", user };
    return { kind: row.uid === this.#ownUid ? "own" : "other", user };
  }

  [Symbol.dispose](): void {
    this.#diag?.[Symbol.dispose]();
  }

  // Reading the files walks the whole hash table, milliseconds on a large machine; a lookup takes microseconds.
  #row(wanted: WantedSocket): LinuxSocket | undefined {
    const answer = this.#diag?.find(wanted);
    if (typeof answer === "object") {
      this.#diagWorks = true;
      return answer;
    }
    if (answer === NO_ENTRY && this.#diagWorks) return undefined;
    return findInProc(wanted);
  }
}

/** Our own uid, unless other users may be shown under the same. */
function trustedOwnUid(): number | undefined {
  const uid = Deno.uid() ?? undefined;
  if (uid !== OVERFLOW_UID) return uid;
  try {
    return /^\s*0\s+0\s+4294967295\s*$/.test(Deno.readTextFileSync("/proc/self/uid_map")) ? uid : undefined;
  } catch {
    return undefined;
  }
}
