/** FNV-1a, 32 bits, in base 36: short and the same everywhere. Tells texts apart; keeps nothing secret. */
export function fnv1a(text: string): string {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return (value >>> 0).toString(36).padStart(7, "0");
}
