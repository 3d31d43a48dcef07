package config

func (v *validator) checkRotation() {
	for i, w := range v.Rotation.Windows {
		path := element("rotation.windows", i)
		if v.faulty[path] {
			continue
		}
		if w.Schedule == "" {
			v.fail(path+".schedule", `is missing; write five cron fields, such as "0 2 * * SUN"`)
		}
		if w.Duration == 0 {
			v.fail(path+".duration", "is missing; write how long the window stays open, such as 4h")
		}
	}
}
