import { wideString } from "../../base/text.ts";

/** The functions of advapi32 that read the registry. An HKEY is a pointer, a LSTATUS an i32, a DWORD a u32. */
const ADVAPI32 = {
  RegOpenKeyExW: { parameters: ["pointer", "buffer", "u32", "u32", "buffer"], result: "i32" },
  RegEnumValueW: {
    parameters: ["pointer", "u32", "buffer", "buffer", "pointer", "buffer", "buffer", "buffer"],
    result: "i32",
  },
  RegCloseKey: { parameters: ["pointer"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

const LOCAL_MACHINE = 0xFFFF_FFFF_8000_0002n;
const CURRENT_USER = 0xFFFF_FFFF_8000_0001n;

const KEY_READ = 0x20019;
const ERROR_SUCCESS = 0;
const REG_SZ = 1;
const REG_EXPAND_SZ = 2;

/** Longest name and longest value of an environment variable, in characters. */
const MAX_NAME_CHARS = 16_384;
const MAX_VALUE_CHARS = 32_768;

/** More values than a key has; a bound for a loop that the system ends. */
const MAX_VALUES = 10_000;

/** A text in the registry. */
export interface RegistryText {
  name: string;
  text: string;
  /** Whether it names other variables as `%NAME%`. */
  expands: boolean;
}

/**
 * The texts of a key, as they are: `reg.exe` prints them in the code page of the console, in which a name with an
 * umlaut cannot be told from another.
 *
 * @throws when the key cannot be opened
 */
export function registryTexts(root: "machine" | "user", path: string): RegistryText[] {
  const library = Deno.dlopen("advapi32.dll", ADVAPI32);
  const { RegOpenKeyExW, RegEnumValueW, RegCloseKey } = library.symbols;
  try {
    const opened = new BigUint64Array(1);
    const result = RegOpenKeyExW(
      Deno.UnsafePointer.create(root === "machine" ? LOCAL_MACHINE : CURRENT_USER),
      wideString(path),
      0,
      KEY_READ,
      opened,
    );
    if (result !== ERROR_SUCCESS) throw new Error(`Windows error ${result}`);
    const key = Deno.UnsafePointer.create(opened[0]!);
    const [name, value] = [new Uint16Array(MAX_NAME_CHARS), new Uint16Array(MAX_VALUE_CHARS)];
    const found: RegistryText[] = [];
    for (let at = 0; at < MAX_VALUES; at++) {
      const [nameChars, type, bytes] = [
        new Uint32Array([name.length]),
        new Uint32Array(1),
        new Uint32Array([value.byteLength]),
      ];
      if (RegEnumValueW(key, at, name, nameChars, null, type, value, bytes) !== ERROR_SUCCESS) break;
      if (type[0] !== REG_SZ && type[0] !== REG_EXPAND_SZ) continue;
      found.push({
        name: text(name.subarray(0, nameChars[0])),
        text: text(value.subarray(0, bytes[0]! / 2)).replace(/\0.*$/s, ""),
        expands: type[0] === REG_EXPAND_SZ,
      });
    }
    RegCloseKey(key);
    return found;
  } finally {
    library.close();
  }
}

function text(units: Uint16Array): string {
  return Array.from(units, (unit) => String.fromCharCode(unit)).join("");
}
