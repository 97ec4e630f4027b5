/** Whether the text has no lone surrogate, i.e. survives a round trip through UTF-8. */
export function isWellFormed(text: string): boolean {
  return (text as string & { isWellFormed(): boolean }).isWellFormed();
}
