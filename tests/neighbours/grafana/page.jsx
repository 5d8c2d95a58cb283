import React from 'react';
import { createRoot } from 'react-dom/client';
import { flushSync } from 'react-dom';
import { createTheme, getFieldDisplayValues, toDataFrame, FieldType } from '@grafana/data';
import { BigValue, ThemeContext } from '@grafana/ui';

const theme = createTheme({ colors: { mode: 'dark' } });
// As Grafana does when it takes a dashboard over: JSON has no -Infinity, so the base threshold is null there.
function configured(panel) {
  const { thresholds, ...rest } = panel.fieldConfig.defaults;
  const steps = thresholds.steps.map((step) => ({ ...step, value: step.value ?? -Infinity }));
  return { ...rest, thresholds: { ...thresholds, steps } };
}

function displays(panel, value) {
  const config = configured(panel);
  const fields = value === null ? [] : [
    { name: 'Time', type: FieldType.time, values: [1] },
    { name: 'value', type: FieldType.number, values: [value], config },
  ];
  return getFieldDisplayValues({
    fieldConfig: { defaults: config, overrides: [] }, reduceOptions: panel.options.reduceOptions, replaceVariables: (text) => text,
    theme, data: value === null ? [] : [toDataFrame({ fields })], timeZone: 'utc',
  });
}

// Each tile: {panel, value}. Draws them with Grafana's own BigValue; returns text and colour as Grafana decided them.
window.draw = (tiles) => {
  const found = tiles.map(({ panel, value }) => displays(panel, value));
  const root = createRoot(document.getElementById('root'));
  flushSync(() => root.render(
    <ThemeContext.Provider value={theme}>
      <div style={{ display: 'flex', flexWrap: 'wrap', gap: 8, fontFamily: 'sans-serif' }}>
        {tiles.map(({ panel }, place) => found[place].map((one, n) => (
          <div key={`${place}-${n}`} className="tile" style={{ width: 250 }}>
            <div style={{ color: '#ccc' }}>{panel.title}</div>
            <BigValue width={250} height={110} theme={theme} value={one.display} colorMode={panel.options.colorMode}
              graphMode="none" textMode={panel.options.textMode} justifyMode={panel.options.justifyMode} />
          </div>
        )))}
      </div>
    </ThemeContext.Provider>
  ));
  return found.map((some) => some.map((one) => ({
    text: `${one.display.prefix ?? ''}${one.display.text}${one.display.suffix ?? ''}`, color: one.display.color,
  })));
};
