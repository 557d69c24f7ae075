package queue

// Register asks for the registration of a domain.
const Register Kind = "register"

// TypeRegister is the task type of registrations.
const TypeRegister = "domain:register"

func registerForm() form { return form{taskType: TypeRegister, about: aboutDomains} }
