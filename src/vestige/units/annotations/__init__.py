"""What people called units: their answers, from the annotation page, from files and from the paper's authors."""
