SELECT groupUniqArray(project) AS projects, groupUniqArray(environment) AS environments, groupUniqArray(task) AS tasks,
  groupUniqArray(model) AS models
FROM population
