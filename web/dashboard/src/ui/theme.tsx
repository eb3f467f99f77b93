// Light, dark, or what the system has. Chosen on this device.
import { effect, signal } from '@preact/signals';

export type Theme = 'system' | 'light' | 'dark';
export const NAMES: Record<Theme, string> = { system: 'As the system', light: 'Light', dark: 'Dark' };
const KEY = 'weir.theme';
const stored = (): Theme => { try { return (localStorage.getItem(KEY) as Theme | null) ?? 'system'; } catch { return 'system'; } };
export const theme = signal<Theme>(stored());
/** Charts are drawn in the colours of the moment: they are told. */
function show(as: Theme): void {
  if (as === 'system') delete document.documentElement.dataset['theme'];
  else document.documentElement.dataset['theme'] = as;
  dispatchEvent(new Event('weir-theme'));
}
effect(() => {
  show(theme.value);
  try { localStorage.setItem(KEY, theme.value); } catch { /* it lasts as long as the page */ }
});
// Paper is white.
addEventListener('beforeprint', () => show('light'));
addEventListener('afterprint', () => show(theme.value));
export const nextTheme = (): Theme => (theme.value === 'system' ? 'dark' : theme.value === 'dark' ? 'light' : 'system');
export function ThemeButton() {
  const next = nextTheme();
  return <button type="button" class="button quiet" title={`Colours: ${NAMES[theme.value]}`} aria-label={`Colours: ${NAMES[theme.value]}. Change to: ${NAMES[next]}`} onClick={() => { theme.value = next; }}><span class="theme-icon" aria-hidden="true" /></button>;
}
