// To the clipboard. The clipboard's API is there on https and on this machine only; a server on a plain address of a local
// network has the old way: a text that is selected, in the dialog that is open, since all else cannot have the focus then.
function select(text: string): boolean {
  const from = document.activeElement as HTMLElement | null, area = document.createElement('textarea');
  area.value = text;
  area.readOnly = true;
  area.className = 'hidden';
  (from?.closest('dialog') ?? document.body).append(area);
  area.select();
  const isDone = document.execCommand('copy');
  area.remove();
  from?.focus();
  return isDone;
}
/** False: the browser did not let it. */
export async function copyText(text: string): Promise<boolean> {
  if (navigator.clipboard as Clipboard | undefined) return navigator.clipboard.writeText(text).then(() => true, () => select(text));
  return select(text);
}
