export interface SocketEndpoint {
  /** An IP address. */
  hostname: string;
  port: number;
}

/** An endpoint whose address is 16 bytes; IPv4 as `::ffff:a.b.c.d`, so that one form is compared. */
export interface SocketAddress {
  address: Uint8Array<ArrayBuffer>;
  port: number;
}

const V4_MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/** The 16 bytes of an IP address, with or without a scope; undefined for any other text. */
export function addressBytes(hostname: string): Uint8Array<ArrayBuffer> | undefined {
  const plain = hostname.replace(/^\[(.*)\]$/, "$1").split("%", 1)[0]!;
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(plain)) {
    const parts = plain.split(".").map(Number);
    return parts.every((part) => part <= 255) ? mapped(parts) : undefined;
  }
  if (!plain.includes(":")) return undefined;
  // The URL parser accepts every notation of IPv6 and returns groups of hexadecimal digits.
  const groups = URL.parse(`http://[${plain}]/`)?.hostname.slice(1, -1);
  return groups === undefined ? undefined : groupBytes(groups);
}

/** IPv4 as bytes, in the form of {@linkcode SocketAddress}. */
export function mapped(v4: ArrayLike<number>): Uint8Array<ArrayBuffer> {
  return new Uint8Array([...V4_MAPPED, ...Array.from(v4)]);
}

export function isMapped(address: Uint8Array): boolean {
  return V4_MAPPED.every((byte, at) => address[at] === byte);
}

/** Whether it is the unspecified address, which means every address of the machine. */
export function isUnspecified(address: Uint8Array): boolean {
  return (isMapped(address) ? address.subarray(12) : address).every((byte) => byte === 0);
}

/** Whether it is a loopback address: 127.0.0.0/8 or ::1. */
export function isLoopback(address: Uint8Array): boolean {
  if (isMapped(address)) return address[12] === 127;
  return address.every((byte, at) => byte === (at === 15 ? 1 : 0));
}

/** Whether the host of a URL is this machine: a loopback address, or `localhost`. Names below that are looked up by some. */
export function isLoopbackName(hostname: string): boolean {
  const address = addressBytes(hostname);
  return address === undefined ? hostname.toLowerCase() === "localhost" : isLoopback(address);
}

export function sameAddress(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

function groupBytes(text: string): Uint8Array<ArrayBuffer> {
  const [head = "", tail] = text.split("::");
  const groups = (part: string) => part === "" ? [] : part.split(":").map((group) => parseInt(group, 16));
  const front = groups(head);
  const back = groups(tail ?? "");
  const all = [...front, ...new Array<number>(8 - front.length - back.length).fill(0), ...back];
  return new Uint8Array(all.flatMap((group) => [group >> 8, group & 0xff]));
}
