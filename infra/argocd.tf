# ArgoCD, by k3s: its server applies what lies in the manifests folder, and its Helm controller
# installs the chart. From then on the repository is in charge (k8s/argocd).

locals {
  git_url = coalesce(var.git_url, "https://github.com/${var.github_repository}.git")

  manifests = {
    argocd = yamlencode({
      apiVersion = "helm.cattle.io/v1"
      kind       = "HelmChart"
      metadata   = { name = "argocd", namespace = "kube-system" }
      spec = {
        repo            = "https://argoproj.github.io/argo-helm"
        chart           = "argo-cd"
        version         = var.argocd_chart_version
        targetNamespace = "argocd"
        createNamespace = true
        valuesContent = yamlencode({
          dex           = { enabled = false } # one admin, no single sign-on
          notifications = { enabled = false }
        })
      }
    })

    # Fails until the chart has brought the kind Application; k3s tries again every 15 seconds.
    argocd-root = yamlencode({
      apiVersion = "argoproj.io/v1alpha1"
      kind       = "Application"
      metadata   = { name = "root", namespace = "argocd" }
      spec = {
        project     = "default"
        source      = { repoURL = local.git_url, targetRevision = var.git_branch, path = "k8s/argocd" }
        destination = { server = "https://kubernetes.default.svc", namespace = "argocd" }
        syncPolicy  = { automated = { prune = true, selfHeal = true } }
      }
    })
  }
}
