import { wideString } from "../../base/text.ts";
import { type Keychain, KeychainError } from "../keychain.ts";

/** The functions of wincred.h. A BOOL is an i32, a DWORD a u32. */
const ADVAPI32 = {
  CredReadW: { parameters: ["buffer", "u32", "u32", "buffer"], result: "i32" },
  CredWriteW: { parameters: ["buffer", "u32"], result: "i32" },
  CredDeleteW: { parameters: ["buffer", "u32", "u32"], result: "i32" },
  CredFree: { parameters: ["pointer"], result: "void" },
} as const satisfies Deno.ForeignLibraryInterface;

const KERNEL32 = {
  GetLastError: { parameters: [], result: "u32" },
} as const satisfies Deno.ForeignLibraryInterface;

const CRED_TYPE_GENERIC = 1;
/** For this user on this machine, also after the next start. */
const CRED_PERSIST_LOCAL_MACHINE = 2;
const ERROR_NOT_FOUND = 1168;

/** CREDENTIALW of 64-bit Windows. */
const CREDENTIAL_BYTES = 80;
const CREDENTIAL_TYPE = 4;
const CREDENTIAL_TARGET = 8;
const CREDENTIAL_BLOB_BYTES = 32;
const CREDENTIAL_BLOB = 40;
const CREDENTIAL_PERSIST = 48;
const CREDENTIAL_USER = 72;

/** The Credential Manager of Windows, which encrypts what it keeps by the user's password. */
export class WindowsCredentials implements Keychain {
  readonly id = "windows-credentials";
  readonly title = "the Windows Credential Manager";

  get(name: string): Promise<string | undefined> {
    return attempt(({ CredReadW, CredFree }, fail) => {
      const found = new BigUint64Array(1);
      if (CredReadW(targetOf(name), CRED_TYPE_GENERIC, 0, found) === 0) return fail(undefined);
      const credential = Deno.UnsafePointer.create(found[0]!)!;
      try {
        const view = new Deno.UnsafePointerView(credential);
        const bytes = view.getUint32(CREDENTIAL_BLOB_BYTES);
        const blob = view.getPointer(CREDENTIAL_BLOB);
        if (blob === null) return "";
        return new TextDecoder().decode(Deno.UnsafePointerView.getArrayBuffer(blob, bytes));
      } finally {
        CredFree(credential);
      }
    });
  }

  set(name: string, value: string): Promise<void> {
    return attempt(({ CredWriteW }, fail) => {
      // Alive until the call has ended, as Windows reads them by their addresses.
      const [target, user, blob] = [targetOf(name), wideString("exai"), new TextEncoder().encode(value)];
      const view = new DataView(new ArrayBuffer(CREDENTIAL_BYTES));
      view.setUint32(CREDENTIAL_TYPE, CRED_TYPE_GENERIC, true);
      view.setBigUint64(CREDENTIAL_TARGET, addressOf(target), true);
      view.setUint32(CREDENTIAL_BLOB_BYTES, blob.length, true);
      view.setBigUint64(CREDENTIAL_BLOB, addressOf(blob), true);
      view.setUint32(CREDENTIAL_PERSIST, CRED_PERSIST_LOCAL_MACHINE, true);
      view.setBigUint64(CREDENTIAL_USER, addressOf(user), true);
      if (CredWriteW(view.buffer, 0) === 0) fail(undefined);
    });
  }

  remove(name: string): Promise<boolean> {
    return attempt(({ CredDeleteW }, fail) =>
      CredDeleteW(targetOf(name), CRED_TYPE_GENERIC, 0) === 0 ? fail(false) : true
    );
  }
}

type Advapi32 = Deno.DynamicLibrary<typeof ADVAPI32>["symbols"];

/** What a call that has failed comes to: `value` where there is no such credential. */
type Fail = <T>(value: T) => T;

/** @throws {KeychainError} with the number of the error of Windows */
function attempt<T>(work: (functions: Advapi32, fail: Fail) => T): Promise<T> {
  return Promise.resolve().then(() => {
    const [library, kernel] = [Deno.dlopen("advapi32.dll", ADVAPI32), Deno.dlopen("kernel32.dll", KERNEL32)];
    try {
      return work(library.symbols, (value) => {
        const error = kernel.symbols.GetLastError();
        if (error === ERROR_NOT_FOUND) return value;
        throw new KeychainError(`it cannot be used: error ${error} of Windows (see winerror.h)`);
      });
    } finally {
      library.close();
      kernel.close();
    }
  });
}

function targetOf(name: string) {
  return wideString(`EXAI/${name}`);
}

function addressOf(buffer: Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer>): bigint {
  return Deno.UnsafePointer.value(Deno.UnsafePointer.of(buffer));
}
